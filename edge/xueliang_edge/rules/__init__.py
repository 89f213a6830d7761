"""Rules: what a hazard is, as numbers over time. Pure; no rule knows a camera, a clock, a disk or a network."""

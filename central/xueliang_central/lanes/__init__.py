"""The register of fire lanes: where each one runs, who keeps it clear, which cameras watch it."""

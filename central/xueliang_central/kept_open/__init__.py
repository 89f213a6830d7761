"""Hazards that cannot be removed at once: who answers for them, by what means, until when."""

"""The register of cameras: where each one is and which area answers for it."""

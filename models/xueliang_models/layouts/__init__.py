"""One adapter for each output layout that detectors come in."""

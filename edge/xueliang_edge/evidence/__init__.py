"""Evidence: one to three masked stills of an alert, and their way to the centre."""

"""What is kept for how long, what is held back from that, and how it goes."""

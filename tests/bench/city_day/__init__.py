"""One day of a synthetic city: what truly happened, what the nodes said about it, and how well it was folded."""

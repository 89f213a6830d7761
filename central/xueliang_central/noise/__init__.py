"""The noise board: which cameras and rules cost people time for nothing, and what would change that."""

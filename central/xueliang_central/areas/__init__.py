"""The city's areas: the tree, and which grid a point lies in."""

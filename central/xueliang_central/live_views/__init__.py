"""Live view at the centre: who has the right, what a node is asked, and what passes from its stream to one viewer."""

"""The nodes: who they are, and how they say they do."""

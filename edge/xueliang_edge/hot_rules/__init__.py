"""Rules that change while the node runs: by file or by command, in versions, with a way back."""

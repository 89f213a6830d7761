"""Live view at the node: allowed or refused, one process a view, its stream sent to the centre by HTTP."""

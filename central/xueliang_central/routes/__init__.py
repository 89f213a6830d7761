"""HTTP only: each module turns one domain into routes, and every route declares its policy (rights/policy.py)."""

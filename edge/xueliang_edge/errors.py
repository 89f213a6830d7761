"""What can go wrong at the node.

EdgeError
└── NotRepresentable    a decision that the contract cannot carry (NaN, a broken box). A retry cannot help: it is a
                        fault in a rule or a model; count it, say it, go on.
"""

from __future__ import annotations


class EdgeError(Exception):
    """Root of this room's errors."""


class NotRepresentable(EdgeError):
    """A decision that the contract refuses. No retry: the same numbers would be refused again."""

"""What can go wrong at the node.

EdgeError
├── ChildGone           a child process ended, or said what it may not say. A retry with a new child can help.
└── NotRepresentable    a decision that the contract cannot carry (NaN, a broken box). A retry cannot help: it is a
                        fault in a rule or a model; count it, say it, go on.
"""

from __future__ import annotations


class EdgeError(Exception):
    """Root of this room's errors."""


class ChildGone(EdgeError):
    """Nobody is at the other end of the line any more, or nobody to be trusted. A new child can help."""


class NotRepresentable(EdgeError):
    """A decision that the contract refuses. No retry: the same numbers would be refused again."""

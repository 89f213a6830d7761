"""What can go wrong at the node.

EdgeError
├── ChildGone           a child process ended, or said what it may not say. A retry with a new child can help.
├── TableUnreadable     a camera table that nothing can be read from. Retry after the file was mended.
├── JudgementsUnreadable a file of operators' judgements with rows that say nothing. Retry after it was mended.
├── NothingToTry        a back-test of a camera or view that is not there, or of a time that is not logged. Ask for
│                       another.
├── CannotAnalyse       a recording that no rules can be tried on as asked. Retry after what the message says.
├── BadRequest          a command that cannot be carried out as it is. Answered with what is wrong.
├── ImportRefused       cameras that do not fit on the nodes, or files that are there already. Retry after a change.
└── NotRepresentable    a decision that the contract cannot carry (NaN, a broken box). A retry cannot help: it is a
                        fault in a rule or a model; count it, say it, go on.
"""

from __future__ import annotations


class EdgeError(Exception):
    """Root of this room's errors."""


class ChildGone(EdgeError):
    """Nobody is at the other end of the line any more, or nobody to be trusted. A new child can help."""


class TableUnreadable(EdgeError):
    """A camera table that cannot be used at all. A retry helps only after an edit."""


class JudgementsUnreadable(EdgeError):
    """Operators' judgements that cannot be used. A retry helps only after an edit."""


class NothingToTry(EdgeError):
    """A back-test that nothing can be said about. A retry helps after what the message says."""


class BadRequest(EdgeError):
    """A command from the centre that cannot be carried out. A retry helps only after what the message says."""


class ImportRefused(EdgeError):
    """An import that would not come out well. Nothing was written; a retry helps after what the message says."""


class CannotAnalyse(EdgeError):
    """No rules can be tried on this recording as asked. A retry helps after what the message says."""


class NotRepresentable(EdgeError):
    """A decision that the contract refuses. No retry: the same numbers would be refused again."""

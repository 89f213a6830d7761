"""How every process of a node logs: one line an event to stderr, every address without its password.

Redaction is imported by the first line that is logged: `xueliang-edge measure` must start where its room does not load.
"""

from __future__ import annotations

import logging
import sys
from typing import Final

_STANDARD_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class EventFormatter(logging.Formatter):
    """Time, level, where, what, then its fields as key=value; every URL redacted, in tracebacks too."""

    def format(self, record: logging.LogRecord) -> str:
        from xueliang_streams.redaction import redact_text

        line = super().format(record)
        fields = {key: value for key, value in vars(record).items() if key not in _STANDARD_FIELDS}
        told = " ".join(f"{key}={value!r}" if " " in str(value) else f"{key}={value}" for key, value in fields.items())
        head, *rest = line.split("\n")
        return redact_text("\n".join([f"{head} {told}".rstrip(), *rest]))


def log_to_stderr(level: int) -> None:
    """Replaces whatever handlers there were."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(EventFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)

"""Everything this room raises on purpose.

AlertsError
├── SpoolError
│   ├── SpoolBusy            another process has this spool open; a retry helps once that one ends
│   ├── SpoolForeign         the folder holds another node's spool; no retry helps, an operator must choose
│   ├── SpoolClosed          used after close(); no retry helps
│   ├── SpoolWriteFailed     the disk refused (full, read-only, failing): nothing was accepted; a retry can help
│   └── RecordTooLarge       one record above the contract's limit; no retry helps
├── TransportError
│   ├── NotConnected         no connection now; a retry helps when it is back
│   └── TransportClosed      used after close(); no retry helps
└── BrokerError
    ├── BrokerProgramMissing the nats-server program is not installed; no retry helps
    └── BrokerStartFailed    the child ended or did not listen in time; a retry can help (a port in use, a slow disk)
"""

from __future__ import annotations


class AlertsError(Exception):
    """Root of this room's errors."""


class SpoolError(AlertsError):
    """Something about the spool on disk."""


class SpoolBusy(SpoolError):
    """Another process has this spool open. Retry: yes, after that process has ended."""


class SpoolForeign(SpoolError):
    """The folder holds the spool of another node. Retry: no."""


class SpoolClosed(SpoolError):
    """The spool was closed. Retry: no."""


class SpoolWriteFailed(SpoolError):
    """Nothing was accepted: the disk is full, read-only or failing. Retry: yes, with the same body."""


class RecordTooLarge(SpoolError):
    """The message would exceed the contract's limit, and no broker or centre would take it. Retry: no."""


class TransportError(AlertsError):
    """Something about the connection to the broker."""


class NotConnected(TransportError):
    """There is no connection now, nothing was sent. Retry: yes, when the state is connected again."""


class TransportClosed(TransportError):
    """The transport was closed. Retry: no."""


class BrokerError(AlertsError):
    """Something about the embedded broker."""


class BrokerProgramMissing(BrokerError):
    """nats-server is not installed. Retry: no."""


class BrokerStartFailed(BrokerError):
    """The broker ended at once or did not listen in time. Retry: can help."""

"""What a node and the child that runs a back-test for it say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xueliang_alerts.commands import BacktestCommand
from xueliang_configs.cameras import CameraConfig
from xueliang_edge.backtest.answering import KnownModel


@dataclass(frozen=True, slots=True)
class Task:
    """What the child is told.

    Attributes:
        camera: as it runs now; None: this node has none of that id. there: ids of those it has.
        models: what each detector of the settings is today.
        folder: the observation log; None: nothing is kept.
    """

    command: BacktestCommand
    camera: CameraConfig | None
    there: tuple[str, ...]
    models: dict[str, KnownModel]
    folder: Path | None


@dataclass(frozen=True, slots=True)
class Answered:
    """So many messages with a page each follow."""

    pages: int

"""What the running centre is made of: built once by `app.py`, handed to every route by `centre_of(request)`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import Request

from xueliang_alerts.clocks import Mono, Wall
from xueliang_central.areas.tree import AreaBook
from xueliang_central.store.database import Database
from xueliang_configs.retention import RetentionConfig

if TYPE_CHECKING:
    from xueliang_central.evidence.pictures import PictureStore
    from xueliang_central.fleet.backtests import Backtests
    from xueliang_central.health import Health
    from xueliang_central.store.feed import EventFeed
    from xueliang_configs.policies import PolicyTable


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator chose, as plain values.

    Attributes:
        public_origin: "https://centre.example.cn" when a proxy stands before this program; requests from it are ours.
        secure_cookie: the browser sends the session over HTTPS only.
        retention: how long what is kept.
        console_dir: the built web console.
    """

    data_dir: Path
    public_origin: str | None = None
    secure_cookie: bool = False
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    console_dir: Path = field(default_factory=lambda: Path(__file__).parent / "console_build")


@dataclass(frozen=True, slots=True)
class Centre:
    """One running centre. `areas.tree` is always the current tree."""

    settings: Settings
    database: Database
    areas: AreaBook
    policies: PolicyTable
    feed: EventFeed
    pictures: PictureStore
    health: Health
    backtests: Backtests
    wall: Wall
    mono: Mono


def centre_of(request: Request) -> Centre:
    centre: Centre = request.app.state.centre
    return centre

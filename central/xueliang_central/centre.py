"""What the running centre is made of: built once by `app.py`, handed to every route by `centre_of(request)`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import Request

from xueliang_alerts.clocks import Mono, Wall
from xueliang_central.areas.tree import AreaBook
from xueliang_central.cameras.gate import Gate
from xueliang_central.cameras.releases import CameraGate
from xueliang_central.store.database import Database
from xueliang_configs.centre import CentreLiveViewConfig, DisclosureConfig, NewRulesConfig
from xueliang_configs.notices import NoticesConfig
from xueliang_configs.retention import RetentionConfig

if TYPE_CHECKING:
    from xueliang_central.evidence.pictures import PictureStore
    from xueliang_central.fleet.backtests import Backtests
    from xueliang_central.fleet.fresh_looks import FreshLooks
    from xueliang_central.health import Health
    from xueliang_central.live_views.relaying import LiveViews
    from xueliang_central.looking_again import LookingAgain
    from xueliang_central.rights.sealing import Seal
    from xueliang_central.rights.single_sign_on import Provider, SignOnSettings
    from xueliang_central.store.feed import EventFeed
    from xueliang_configs.policies import PolicyTable


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator chose, as plain values.

    Attributes:
        public_origin: "https://centre.example.cn" when a proxy stands before this program; requests from it are ours.
        secure_cookie: the browser sends the session over HTTPS only.
        second_factor: of whom one is demanded: "optional" (of nobody), "approvers", "everyone".
        accounts_key: the file that seals second factors; None: accounts.key in `data_dir`.
        sign_on: the identity provider; None: local accounts only.
        retention: how long what is kept.
        disclosure: who answers for the cameras.
        camera_gate: what is done about cameras that are not released; None: as the installation was made.
        console_dir: the built web console.
        link_origin: what a notice's link begins with.
        notices: the channels beyond the page.
        new_rules: whether the first rules of a camera start in the shadow.
        live_view: how long and how often cameras are watched live; None: never.
    """

    data_dir: Path
    public_origin: str | None = None
    secure_cookie: bool = False
    second_factor: str = "optional"
    accounts_key: Path | None = None
    sign_on: SignOnSettings | None = None
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    disclosure: DisclosureConfig = field(default_factory=DisclosureConfig)
    camera_gate: Gate | None = None
    console_dir: Path = field(default_factory=lambda: Path(__file__).parent / "console_build")
    link_origin: str = ""
    notices: NoticesConfig = field(default_factory=NoticesConfig)
    new_rules: NewRulesConfig = field(default_factory=NewRulesConfig)
    live_view: CentreLiveViewConfig | None = None


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
    fresh_looks: FreshLooks
    looking_again: LookingAgain
    live_views: LiveViews
    wall: Wall
    mono: Mono
    seal: Seal
    gate: CameraGate
    provider: Provider | None = None


def centre_of(request: Request) -> Centre:
    centre: Centre = request.app.state.centre
    return centre

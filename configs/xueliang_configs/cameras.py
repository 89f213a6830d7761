"""A camera as an edge node sees it, and as the centre's register knows it."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, field_validator

from xueliang_configs.areas import AreaCode
from xueliang_configs.ground import GroundSettings
from xueliang_configs.rules import Rule, at_place
from xueliang_configs.values import CameraUrl, Name, PlaceClass, PlainId, Polygon, PositiveSeconds, Settings, problem

RegisterNote = Annotated[str, Field(min_length=1, max_length=200)]


class ViewSettings(Settings):
    """One direction in which a camera looks: a preset of a camera that turns."""

    view_id: PlainId = Field(description="Unique on its camera; rules name it as their `view`.")
    name: Name = Field(description="What people call it.")


class CameraConfig(Settings):
    """One camera of an edge node, with its rules."""

    camera_id: PlainId = Field(description="Unique in the city; the centre's register owns it.")
    name: Name = Field(description="What people call it.")
    url: CameraUrl = Field(
        description="rtsp://, rtsps:// or file:clip.mp4 (relative to this file). Write the password as ${ENV_NAME}."
    )
    sub_url: CameraUrl | None = Field(
        default=None,
        description="The camera's small stream (640x360 or so) of the same view: everyday looks use it, the main "
        "stream is connected only to look closely and for evidence. Null: the main stream serves all.",
    )
    place_class: PlaceClass = Field(default=PlaceClass.OTHER, description="What kind of place it watches.")
    look_every_s: Annotated[float, Field(ge=0.05, le=600.0)] | None = Field(
        default=None, description="Seconds between two looks; null: what the rules need."
    )
    ground: GroundSettings | None = Field(
        default=None,
        description="Where the picture's points lie on the ground: who draws rules then sees metres. No rule judges by "
        "it; a crowd rule has its own.",
    )
    privacy_zones: tuple[Polygon, ...] = Field(
        default=(), max_length=32, description="Filled solid in every picture before anything else sees it."
    )
    stall_after_s: PositiveSeconds = Field(default=8.0, description="No packet for this long: reconnect.")
    views: tuple[ViewSettings, ...] = Field(
        default=(),
        max_length=16,
        description="The views of a camera that turns, told apart by what they show; each is shown to the node once "
        "(`xueliang-edge views learn`). None or one: the camera stands still and its view is learnt by itself.",
    )
    rules: tuple[Rule, ...] = Field(default=(), max_length=64, description="What is watched for.")

    @field_validator("sub_url")
    @classmethod
    def _sub_is_live(cls, value: CameraUrl | None) -> CameraUrl | None:
        if value is not None and value.scheme == "file":
            raise problem(
                "sub_url", "expected the rtsp:// or rtsps:// address of a small stream", "a file", "leave sub_url out"
            )
        return value

    @property
    def as_judged(self) -> Self:
        """This camera with its rules as they are judged here: with the severity of its place class."""
        rules = tuple(at_place(rule, self.place_class) for rule in self.rules)
        return self if rules == self.rules else self.model_copy(update={"rules": rules})

    @property
    def told_apart(self) -> tuple[str, ...]:
        """The view_ids that have to be told apart; empty for a camera with one view."""
        return tuple(view.view_id for view in self.views) if len(self.views) > 1 else ()

    @property
    def needed_look_every_s(self) -> float:
        """Seconds between looks: what the operator wrote, else the most demanding rule."""
        if self.look_every_s is not None:
            return self.look_every_s
        return min((rule.largest_gap_s for rule in self.rules), default=2.0)


class CameraRules(Settings):
    """What may change on a camera while its node runs: its rules, and what says how they are judged."""

    camera_id: PlainId = Field(description="A camera that the node runs.")
    place_class: PlaceClass = Field(
        default=PlaceClass.OTHER, description="What kind of place it watches; left out: as it is."
    )
    look_every_s: Annotated[float, Field(ge=0.05, le=600.0)] | None = Field(
        default=None, description="Seconds between two looks; null: what the rules need; left out: as it is."
    )
    ground: GroundSettings | None = Field(
        default=None,
        description="Where the picture's points lie on the ground, for who draws rules; null: not known; left out: as "
        "it is.",
    )
    rules: tuple[Rule, ...] = Field(max_length=64, description="All its rules: one that is left out is taken out.")

    @property
    def as_written(self) -> dict[str, Any]:
        """As plain values, without defaults: the same in another release that has new ones."""
        return self.model_dump(mode="json", exclude_unset=True)

    @property
    def digest(self) -> str:
        """sha256 of what is written. Node and centre compare it: both must say all of a camera, null where it is.

        A ground that is not known counts as one that is not said: releases before it never say it.
        """
        said = {name: value for name, value in self.as_written.items() if name != "ground" or value is not None}
        return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class RulesFile(Settings):
    """The file of `xueliang-edge rules apply`: cameras that are not named stay as they are."""

    cameras: tuple[CameraRules, ...] = Field(min_length=1, max_length=256, description="Cameras and their rules.")


class Datum(StrEnum):
    """What longitude and latitude are measured against: Chinese maps draw 100 to 1,000 m beside WGS84."""

    WGS84 = "wgs84"
    GCJ02 = "gcj02"
    BD09 = "bd09"


class RegisteredCamera(Settings):
    """One row of the centre's camera register."""

    camera_id: PlainId = Field(description="Unique in the city.")
    name: Name = Field(description="What people call it.")
    area_code: AreaCode | None = Field(
        default=None, description="Grid (or higher area) it belongs to; null: found by its position."
    )
    longitude: Annotated[float, Field(ge=-180, le=180)] = Field(description="Degrees in `datum`.")
    latitude: Annotated[float, Field(ge=-90, le=90)] = Field(description="Degrees in `datum`.")
    datum: Datum = Field(
        default=Datum.WGS84,
        description="What the two are measured against: wgs84 (GPS), gcj02 (Amap, Tencent), bd09 (Baidu). The register "
        "keeps WGS84.",
    )
    place_class: PlaceClass = Field(default=PlaceClass.OTHER, description="What kind of place it watches.")
    bearing_deg: Annotated[float, Field(ge=0, lt=360)] | None = Field(
        default=None,
        description="Where it looks, degrees clockwise from true north; the map shows it close up. null: not known, or "
        "the camera turns.",
    )
    field_of_view_deg: Annotated[float, Field(gt=0, le=360)] | None = Field(
        default=None, description="How wide it looks, degrees from side to side; null: not known."
    )
    node_id: PlainId | None = Field(
        default=None,
        description="Edge node that runs it; alerts of others are refused. null: any node may speak for it.",
    )
    purpose: RegisterNote | None = Field(default=None, description="What it is there for; null: not stated yet.")
    legal_basis: RegisterNote | None = Field(
        default=None, description="By which right it watches; null: not stated yet."
    )
    signed_on: date | None = Field(
        default=None, description="Day on which the sign that tells of it was put up; null: there is none yet."
    )
    approved_view: RegisterNote | None = Field(
        default=None, description="What it may show, as it was approved; null: not approved yet."
    )
    view_approved_on: date | None = Field(default=None, description="Day on which that view was approved.")
    review_by: date | None = Field(
        default=None, description="Day until which it is looked at again whether the camera is needed; null: not set."
    )


class CameraRegister(Settings):
    """The cameras file of `xueliang-centre import-cameras`."""

    cameras: tuple[RegisteredCamera, ...] = Field(min_length=1, description="All cameras to add or change.")

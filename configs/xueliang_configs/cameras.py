"""A camera as an edge node sees it, and as the centre's register knows it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from xueliang_configs.areas import AreaCode
from xueliang_configs.rules import Rule
from xueliang_configs.values import CameraUrl, Name, PlaceClass, PlainId, Polygon, PositiveSeconds, Settings


class CameraConfig(Settings):
    """One camera of an edge node, with its rules."""

    camera_id: PlainId = Field(description="Unique in the city; the centre's register owns it.")
    name: Name = Field(description="What people call it.")
    url: CameraUrl = Field(
        description="rtsp://, rtsps:// or file:clip.mp4 (relative to this file). Write the password as ${ENV_NAME}."
    )
    place_class: PlaceClass = Field(default=PlaceClass.OTHER, description="What kind of place it watches.")
    look_every_s: Annotated[float, Field(ge=0.05, le=600.0)] | None = Field(
        default=None, description="Seconds between two looks; null: what the rules need."
    )
    privacy_zones: tuple[Polygon, ...] = Field(
        default=(), max_length=32, description="Filled solid in every picture before anything else sees it."
    )
    stall_after_s: PositiveSeconds = Field(default=8.0, description="No packet for this long: reconnect.")
    rules: tuple[Rule, ...] = Field(default=(), max_length=64, description="What is watched for.")

    @property
    def needed_look_every_s(self) -> float:
        """Seconds between looks: what the operator wrote, else the most demanding rule."""
        if self.look_every_s is not None:
            return self.look_every_s
        return min((rule.largest_gap_s for rule in self.rules), default=2.0)


class RegisteredCamera(Settings):
    """One row of the centre's camera register."""

    camera_id: PlainId = Field(description="Unique in the city.")
    name: Name = Field(description="What people call it.")
    area_code: AreaCode | None = Field(
        default=None, description="Grid (or higher area) it belongs to; null: found by its position."
    )
    longitude: Annotated[float, Field(ge=-180, le=180)] = Field(description="WGS84 degrees.")
    latitude: Annotated[float, Field(ge=-90, le=90)] = Field(description="WGS84 degrees.")
    place_class: PlaceClass = Field(default=PlaceClass.OTHER, description="What kind of place it watches.")
    node_id: PlainId | None = Field(
        default=None,
        description="Edge node that runs it; alerts of others are refused. null: any node may speak for it.",
    )


class CameraRegister(Settings):
    """The cameras file of `xueliang-centre import-cameras`."""

    cameras: tuple[RegisteredCamera, ...] = Field(min_length=1, description="All cameras to add or change.")

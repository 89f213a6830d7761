"""Fire lanes and the cameras that watch them.

Invariants
    - The area of a lane follows from where it runs; it is located anew when areas are imported.
    - A marking photo lies in the picture store as a photo, and stays there while a lane names it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Date, Float, ForeignKey, Index, Integer, String, Table

from xueliang_central.store.metadata import AREA_PATH_LENGTH, JsonText, UtcDateTime, metadata

lanes: Final = Table(
    "lanes",
    metadata,
    Column("lane_id", String(63), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("shape", JsonText, nullable=False),  # GeoJSON LineString or Polygon, WGS84
    Column("width_m", Float, nullable=True),  # of a line
    Column("area_code", String(15), nullable=True),
    Column("area_path", String(AREA_PATH_LENGTH), nullable=False),
    Column("located", String(12), nullable=False),  # inside | nearest | level_up | nowhere
    Column("located_note", String(200), nullable=False),
    Column("unit", String(80), nullable=False),
    Column("duty_phone", String(25), nullable=False),
    Column("marking_photo", String(64), nullable=True),
    Column("valid_from", Date, nullable=True),  # local days, both included
    Column("valid_to", Date, nullable=True),
    Column("version", Integer, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("changed_by", String(80), nullable=False),
    Index(None, "area_path"),
    Index(None, "marking_photo"),
)

lane_cameras: Final = Table(
    "lane_cameras",
    metadata,
    Column("lane_id", String(63), ForeignKey("lanes.lane_id", ondelete="CASCADE"), primary_key=True),
    Column("camera_id", String(63), ForeignKey("cameras.camera_id", ondelete="CASCADE"), primary_key=True),
)
Index("lane_cameras_by_camera", lane_cameras.c.camera_id)

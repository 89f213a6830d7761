"""The camera register's table, and what is known of the installation itself."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Date, Float, Index, Integer, String, Table

from xueliang_central.store.metadata import AREA_PATH_LENGTH, JsonText, UtcDateTime, metadata

cameras: Final = Table(
    "cameras",
    metadata,
    Column("camera_id", String(63), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("area_code", String(15), nullable=True),
    Column("area_path", String(AREA_PATH_LENGTH), nullable=False),
    Column("located", String(12), nullable=False),
    Column("located_note", String(200), nullable=False),
    Column("longitude", Float, nullable=False),
    Column("latitude", Float, nullable=False),
    Column("place_class", String(16), nullable=False),
    Column("bearing_deg", Float, nullable=True),  # clockwise from true north; null: not known, or it turns
    Column("field_of_view_deg", Float, nullable=True),
    Column("node_id", String(63), nullable=True),
    Column("purpose", String(200), nullable=True),
    Column("legal_basis", String(200), nullable=True),
    Column("signed_on", Date, nullable=True),  # when its sign was put up; null: there is none
    Column("approved_view", String(200), nullable=True),
    Column("view_approved_on", Date, nullable=True),
    Column("review_by", Date, nullable=True),
    Column("released_at", UtcDateTime),  # signed for, and unchanged since; null: nobody did, or it holds no longer
    Column("released_by", String(120)),
    Column("released_digest", String(64)),  # of the entries as they were signed for; null: nobody signed
    Column("withdrawn_at", UtcDateTime),
    Column("withdrawn_by", String(120)),
    Column("withdrawn_why", String(200)),
    Column("updated_at", UtcDateTime, nullable=False),
    Index(None, "area_path"),
    Index(None, "node_id"),
)

camera_stills: Final = Table(  # the last one that somebody who tunes its rules asked for; see `stills.py`
    "camera_stills",
    metadata,
    Column("camera_id", String(63), primary_key=True),
    Column("sha256", String(64), nullable=False, index=True),
    Column("node_id", String(63), nullable=False),  # who took it; what another one hands in is not it
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("observed_at", UtcDateTime, nullable=False),
)

camera_views: Final = Table(  # what its node last told of its views; see `views.py`
    "camera_views",
    metadata,
    Column("camera_id", String(63), primary_key=True),
    Column("node_id", String(63), nullable=False),
    Column("views", JsonText, nullable=False),  # of each view_id, name and state, in the node's order; empty: none
    Column("told_at", UtcDateTime, nullable=False),
)

view_stills: Final = Table(  # of a view the newest that is here, and the one that is on its way
    "camera_view_stills",
    metadata,
    Column("camera_id", String(63), primary_key=True),
    Column("view_id", String(63), primary_key=True),  # "": none of its views
    Column("sha256", String(64), primary_key=True, index=True),
    Column("node_id", String(63), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("observed_at", UtcDateTime, nullable=False),
    Column("noted_at", UtcDateTime, nullable=False),
)

installation: Final = Table(
    "installation",
    metadata,
    Column("name", String(40), primary_key=True),  # camera_gate: tell, where cameras were watched before the gate
    Column("value", String(40), nullable=False),
)

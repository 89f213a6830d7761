"""Alerts that no camera has raised: what a sensor or a person reports takes the same way in (pure).

Their rows of `alerts` are told from those of nodes by their names, which no node and no camera can have: `@` is in no
id of the contract. `node_id` is "@" and the source, or one of the two below; `camera_id` names the place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from xueliang_central.incidents.change import INGEST, By
from xueliang_central.incidents.routing import Route

MARK: Final = "@"
BY_WORKER: Final = "@@worker"
BY_RESIDENT: Final = "@@resident"


def is_reported(row: Mapping[str, Any]) -> bool:
    """By a sensor or a person."""
    return bool(row["node_id"].startswith(MARK))


def is_by_a_person(row: Mapping[str, Any]) -> bool:
    """Somebody waits for an answer: never hidden by a silence, never held in a collective incident."""
    return row["node_id"] in {BY_WORKER, BY_RESIDENT}


def said_by(row: Mapping[str, Any]) -> By:
    """Who an alert's timeline entries are by."""
    return INGEST if is_reported(row) else By("node", row["node_id"])


def reported_route(found: Route, row: Mapping[str, Any]) -> Route:
    """The same area; the place has the name that its report gave it, and the why says that it was reported."""
    about = row["reason"]["about"]
    told = dict(found.why["about"]) if isinstance(found.why["about"], dict) else {}
    why: dict[str, object] = {
        "code": "reported_place",
        "text": f"reported at this place; {told.get('how', '')}",
        "about": told,
    }
    return replace(found, camera_name=about["place"], why=why)

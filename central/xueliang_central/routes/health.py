"""HTTP only: what the centre waits for, and its numbers. Nothing here names a person, a camera or a place."""

from __future__ import annotations

from typing import Final, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Gauge, generate_latest
from pydantic import BaseModel

from xueliang_central.centre import centre_of
from xueliang_central.rights.policy import public

router: Final = APIRouter(tags=["health"])


class WaitingFor(BaseModel):
    what: str
    why: str


class HealthOut(BaseModel):
    state: Literal["ready", "waiting"]
    waiting_for: list[WaitingFor]


@router.get("/api/health", dependencies=[Depends(public)])
async def health(request: Request) -> HealthOut:
    """Answers also while the database is away."""
    waiting = centre_of(request).health.waiting_for
    return HealthOut(
        state="waiting" if waiting else "ready",
        waiting_for=[WaitingFor(what=item.what, why=item.why) for item in waiting],
    )


@router.get("/metrics", dependencies=[Depends(public)], response_class=Response)
async def metrics(request: Request) -> Response:
    """Prometheus text."""
    centre = centre_of(request)
    registry = CollectorRegistry()
    waiting = Gauge("central_waiting", "Things the centre waits for (1 each)", ["what"], registry=registry)
    for item in centre.health.waiting_for:
        waiting.labels(item.what).set(1)
    listeners = Gauge("central_event_listeners", "Open event streams", registry=registry)
    listeners.set(centre.feed.listeners)
    dropped = Gauge("central_event_listeners_dropped", "Streams ended because they fell behind", registry=registry)
    dropped.set(centre.feed.dropped_listeners)
    told = Gauge("central_events_told", "Events given to streams, each stream counted", registry=registry)
    told.set(centre.feed.told)
    replaced = Gauge("central_events_replaced", "Events that a newer one of their thing replaced", registry=registry)
    replaced.set(centre.feed.replaced)
    after = Gauge("central_looks_after_handled", "Looks after handled, how each went", ["how"], registry=registry)
    for how, count in sorted(centre.looking_again.counts.items()):
        after.labels(how).set(count)
    live = Gauge("central_live_views", "Live views, how each began and ended", ["how"], registry=registry)
    for how, count in sorted(centre.live_views.counts.items()):
        live.labels(how).set(count)
    return Response(generate_latest(registry) + generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

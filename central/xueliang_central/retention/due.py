"""What has been kept long enough, as queries: the same for removing it and for telling what would go.

Never due is what an open incident needs, or one that is held: neither its alerts nor what a node sent of them, neither
stills nor photos, wherever merging and splitting have brought them. Nor is a photo that shows the marking of a lane.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select

from xueliang_central.cap.tables import cap_progress
from xueliang_central.dispatch.tables import task_photos, task_voices, tasks
from xueliang_central.evidence.pictures import PictureKind
from xueliang_central.evidence.tables import pictures
from xueliang_central.incidents.regrouping_tables import regrouped_alerts, regroupings
from xueliang_central.incidents.reported import BY_RESIDENT, BY_WORKER
from xueliang_central.incidents.states import CloseReason, State
from xueliang_central.incidents.tables import alerts, expected_pictures, incidents
from xueliang_central.ingest.tables import gated_alerts, spool_records
from xueliang_central.intake.tables import sighting_files, sightings
from xueliang_central.kept_open.tables import hazard_photos
from xueliang_central.lanes.tables import lanes
from xueliang_central.noise.tables import noise_state
from xueliang_central.notices.tables import notice_steps, notices
from xueliang_central.reports.tables import rollup_state
from xueliang_central.retention.tables import legal_holds
from xueliang_central.silences.tables import silenced_alerts
from xueliang_central.store.tables import events
from xueliang_central.webhooks.tables import webhooks
from xueliang_configs.retention import RetentionConfig

KINDS: Final = ("evidence", "photos", "unnamed_pictures", "alerts", "sightings", "records", "notices", "events")
_NO_HAZARD: Final = (CloseReason.FALSE_ALARM.value, CloseReason.PERMITTED.value, CloseReason.DUPLICATE.value)
_NEVER_CLEARED: Final = (BY_WORKER, BY_RESIDENT)
_HELD: Final = select(legal_holds.c.incident_id)
_MARKS_A_LANE: Final = exists().where(lanes.c.marking_photo == pictures.c.sha256)


def due(kind: str, policy: RetentionConfig, now: datetime) -> Select[Any] | None:
    """The keys of what may go, and when each came as `since`. None: the policy keeps it for ever."""
    match kind:
        case "evidence":
            return _evidence(policy, now)
        case "photos":
            return _photos(policy, now)
        case "unnamed_pictures":
            return _unnamed(policy, now)
        case "alerts":
            return _alerts(policy, now)
        case "sightings":
            return _sightings(policy, now)
        case "records":
            return _records(policy, now)
        case "notices":
            return _notices(policy, now)
        case "events":
            return _events(policy, now)
    raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")


def _before(now: datetime, days: int) -> datetime:
    return now - timedelta(days=days)


def _is_held(alert_id: ColumnElement[Any], incident_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """The incident is held, or the alert has ever been moved out of or into one that is."""
    moved = and_(
        regrouped_alerts.c.alert_id == alert_id, regroupings.c.regrouping_id == regrouped_alerts.c.regrouping_id
    )
    ends = or_(regroupings.c.from_incident_id.in_(_HELD), regroupings.c.into_incident_id.in_(_HELD))
    return or_(incident_id.in_(_HELD), exists().where(moved, ends))


def _is_held_there() -> ColumnElement[bool]:
    """The incident is held, or has ever been merged with one that is."""
    merged = and_(regroupings.c.from_incident_id == incidents.c.incident_id, regroupings.c.into_incident_id.in_(_HELD))
    return or_(incidents.c.incident_id.in_(_HELD), exists().where(merged))


def _evidence(policy: RetentionConfig, now: datetime) -> Select[Any] | None:
    """By the incident that needs a still longest. A picture that came late is kept as long as one that came in time."""
    if policy.evidence_days is None:
        return None
    keeps = {hazard.value: days for hazard, days in policy.evidence_by_hazard.items()}
    no_hazard = or_(incidents.c.close_reason.in_(_NO_HAZARD), incidents.c.review.in_(_NO_HAZARD))
    still_kept = case(
        (no_hazard, incidents.c.closed_at >= _before(now, policy.evidence_no_hazard_days)),
        *(
            (incidents.c.hazard == hazard, incidents.c.closed_at >= _before(now, days))
            for hazard, days in keeps.items()
        ),
        else_=incidents.c.closed_at >= _before(now, policy.evidence_days),
    )
    named = expected_pictures.c.sha256 == pictures.c.sha256
    needed = or_(
        incidents.c.state != State.CLOSED.value,
        still_kept,
        _is_held(expected_pictures.c.alert_id, expected_pictures.c.incident_id),
    )
    in_case = incidents.c.incident_id == expected_pictures.c.incident_id
    shortest = min(policy.evidence_days, policy.evidence_no_hazard_days, *keeps.values())
    return _pictures(PictureKind.EVIDENCE, _before(now, shortest)).where(
        exists().where(named), ~exists().where(named, in_case, needed)
    )


def _photos(policy: RetentionConfig, now: datetime) -> Select[Any] | None:
    """Photos and voice notes that came with a task or a worker's report, and photos of what is kept open."""
    if policy.photos_days is None:
        return None
    cut = _before(now, policy.photos_days)
    photo = and_(task_photos.c.sha256 == pictures.c.sha256, pictures.c.kind == PictureKind.PHOTO.value)
    voice = and_(task_voices.c.sha256 == pictures.c.sha256, pictures.c.kind == PictureKind.VOICE.value)
    of_photo, of_voice = tasks.c.task_id == task_photos.c.task_id, tasks.c.task_id == task_voices.c.task_id
    in_case = incidents.c.incident_id == tasks.c.incident_id
    came_along = exists().where(
        regroupings.c.task_id == tasks.c.task_id,
        or_(regroupings.c.from_incident_id.in_(_HELD), regroupings.c.into_incident_id.in_(_HELD)),
    )
    needed = or_(
        incidents.c.state != State.CLOSED.value,
        incidents.c.closed_at >= cut,
        incidents.c.incident_id.in_(_HELD),
        came_along,
    )
    of_kept = and_(hazard_photos.c.sha256 == pictures.c.sha256, pictures.c.kind == PictureKind.PHOTO.value)
    kept_case = incidents.c.incident_id == hazard_photos.c.incident_id
    kept_needed = or_(incidents.c.state != State.CLOSED.value, incidents.c.closed_at >= cut, _is_held_there())
    of_report = and_(sighting_files.c.sha256 == pictures.c.sha256, sighting_files.c.kind == pictures.c.kind)
    in_report = and_(
        sightings.c.sighting_id == sighting_files.c.sighting_id,
        alerts.c.alert_id == sightings.c.alert_id,
        incidents.c.incident_id == alerts.c.incident_id,
    )
    return _pictures(None, cut).where(
        or_(exists().where(photo), exists().where(voice), exists().where(of_kept), exists().where(of_report)),
        ~exists().where(photo, of_photo, in_case, needed),
        ~exists().where(voice, of_voice, in_case, needed),
        ~exists().where(of_kept, kept_case, kept_needed),
        ~exists().where(of_report, in_report, kept_needed),
        ~_MARKS_A_LANE,
    )


def _unnamed(policy: RetentionConfig, now: datetime) -> Select[Any] | None:
    """No alert, task, report or kept hazard has ever named it, and no lane does now; an alert that is held may name
    what its node has sent."""
    if policy.unnamed_pictures_days is None:
        return None
    return _pictures(None, _before(now, policy.unnamed_pictures_days)).where(
        ~exists().where(expected_pictures.c.sha256 == pictures.c.sha256),
        ~exists().where(task_photos.c.sha256 == pictures.c.sha256),
        ~exists().where(task_voices.c.sha256 == pictures.c.sha256),
        ~exists().where(hazard_photos.c.sha256 == pictures.c.sha256),
        ~exists().where(sighting_files.c.sha256 == pictures.c.sha256),
        ~exists().where("node:" + gated_alerts.c.node_id == pictures.c.received_from),
        ~_MARKS_A_LANE,
    )


def _pictures(kind: PictureKind | None, before: datetime) -> Select[Any]:
    received = pictures.c.received_at
    query = select(pictures.c.sha256, pictures.c.kind, received.label("since")).where(received < before)
    return (query if kind is None else query.where(pictures.c.kind == kind.value)).order_by(received)


def _alerts(policy: RetentionConfig, now: datetime) -> Select[Any] | None:
    """Of incidents closed that long. One that has not ended may still be heard of, but for a person's sighting, which
    ends with its incident; one whose still is here is needed by it."""
    if policy.alerts_days is None:
        return None
    cut, received = _before(now, policy.alerts_days), alerts.c.first_received_at
    still_is_here = exists().where(
        expected_pictures.c.incident_id == alerts.c.incident_id,
        expected_pictures.c.alert_id == alerts.c.alert_id,
        pictures.c.sha256 == expected_pictures.c.sha256,
        pictures.c.kind == PictureKind.EVIDENCE.value,
    )
    return (
        select(alerts.c.alert_id, alerts.c.incident_id, received.label("since"))
        .join(incidents, incidents.c.incident_id == alerts.c.incident_id)
        .where(
            received < cut,
            or_(alerts.c.phase == "cleared", alerts.c.node_id.in_(_NEVER_CLEARED)),
            incidents.c.state == State.CLOSED.value,
            incidents.c.closed_at < cut,
            ~_is_held(alerts.c.alert_id, alerts.c.incident_id),
            ~still_is_here,
        )
        .order_by(received)
    )


def _sightings(policy: RetentionConfig, now: datetime) -> Select[Any] | None:
    """What was reported, once its alert has gone, wherever it lay; the rules that were silent then go along."""
    if policy.alerts_days is None:
        return None
    received = sightings.c.received_at
    return (
        select(sightings.c.sighting_id, received.label("since"))
        .where(
            received < _before(now, policy.alerts_days),
            ~exists().where(alerts.c.alert_id == sightings.c.alert_id),
            ~exists().where(silenced_alerts.c.alert_id == sightings.c.alert_id),
        )
        .order_by(received)
    )


def _records(policy: RetentionConfig, now: datetime) -> Select[Any] | None:
    """What nodes sent, as they sent it; that a record was committed once is known by the ledger for ever."""
    if policy.records_days is None:
        return None
    in_case = and_(alerts.c.alert_id == spool_records.c.alert_id, incidents.c.incident_id == alerts.c.incident_id)
    needed = or_(incidents.c.state != State.CLOSED.value, _is_held(alerts.c.alert_id, alerts.c.incident_id))
    received = spool_records.c.received_at
    return (
        select(*spool_records.primary_key.columns, received.label("since"))
        .where(received < _before(now, policy.records_days), ~exists().where(in_case, needed))
        .order_by(received)
    )


def _notices(policy: RetentionConfig, now: datetime) -> Select[Any] | None:
    """Those that nobody sends or climbs with any more, of incidents closed that long; also the dead letters."""
    if policy.notices_days is None:
        return None
    cut = _before(now, policy.notices_days)
    needed = exists().where(
        incidents.c.incident_id == notices.c.incident_id,
        or_(incidents.c.state != State.CLOSED.value, incidents.c.closed_at >= cut, _is_held_there()),
    )
    is_waiting = exists().where(
        notice_steps.c.notice_id == notices.c.notice_id, notice_steps.c.next_try_at.is_not(None)
    )
    written = notices.c.created_at
    return (
        select(notices.c.notice_id, written.label("since"))
        .where(
            written < cut,
            notices.c.next_try_at.is_(None),
            notices.c.climb_at.is_(None),
            ~is_waiting,
            ~needed,
        )
        .order_by(written)
    )


def _events(policy: RetentionConfig, now: datetime) -> Select[Any] | None:
    """Those that roll-ups, noise board and the telling of others have read. The newest stays: it says where the stream
    ends."""
    if policy.events_days is None:
        return None
    newest = select(func.max(events.c.event_id)).scalar_subquery()
    read = select(rollup_state.c.position).scalar_subquery()
    followed = select(noise_state.c.position).scalar_subquery()
    told = select(func.coalesce(func.min(cap_progress.c.event_id), newest)).scalar_subquery()  # none: nothing is told
    hooks = select(func.coalesce(func.min(webhooks.c.event_id), newest)).scalar_subquery()
    is_read = [events.c.event_id <= here for here in (read, followed, told, hooks)] + [events.c.event_id < newest]
    return (
        select(events.c.event_id, events.c.at.label("since"))
        .where(events.c.at < _before(now, policy.events_days), *is_read)
        .order_by(events.c.event_id)
    )

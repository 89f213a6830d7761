"""A city that has a past: two million alerts of a hundred thousand closed incidents, and some hundred open ones.

Made by the database itself. Their texts are short and all alike; their number, keys and indexes are as in life.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text

from xueliang_central.store.database import Database

_INCIDENTS = """
insert into incidents (
  incident_id, number, hazard, severity, state, drill, area_code, area_path, owner_level, place_key, camera_id,
  camera_name, longitude, latitude, place_class, misplaced, opened_at, updated_at, began_at, last_observed_at,
  alert_count, camera_count, still_present, gone, reason, measures, picture, why_routed, policy, handled_at, verified,
  closed_at, close_reason, reopened_count, version)
select gen_random_uuid()::text, 'S' || n, 'fire_lane_obstruction', 2 + n % 3,
  case when n > :closed ::int then 'open' else 'closed' end, false, c.area_code, c.area_path, 'grid',
  c.camera_id, c.camera_id, c.name, c.longitude, c.latitude, c.place_class, false, at_s, at_s, at_s, at_s,
  20, 1, n > :closed ::int, n <= :closed ::int,
  '{"code": "lane_blocked", "text": "lane 41 % covered by truck for 63 s", "about": {"class": "truck"}}',
  '{"share": {"value": 0.41, "unit": "share"}}', null,
  '{"code": "assigned"}', (:policy ::text)::jsonb, null, n <= :closed ::int,
  case when n > :closed ::int then null else at_s end, case when n > :closed ::int then null else 'resolved' end, 0, 1
from generate_series(:first ::int, :last ::int) n
join (select *, row_number() over (order by camera_id) k from cameras) c on c.k = 1 + n * 7919 % 30000
cross join lateral (select :now ::timestamptz - (:closed ::int + :open ::int - n) * interval '25 s' as at_s) t
"""
_ALERTS = """
insert into alerts (
  alert_id, area_path, node_id, spool_id, sequence, revision, phase, end_reason, camera_id, hazard, rule_id,
  rule_version, severity, confidence, began_at, raised_at, observed_at, ended_at, emitted_at, first_received_at,
  received_at, clock_state, boxes_xyxyn, frame_size_wh, measures, reason, evidence, drill, longitude, latitude,
  incident_id, why_folded, county_code)
select gen_random_uuid()::text, i.area_path, 'edge-0000', gen_random_uuid()::text, k, 3, 'cleared', 'seen_clear',
  i.camera_id, i.hazard, 'fire-lane', 1, i.severity, 0.81, i.opened_at, i.opened_at, i.opened_at, i.opened_at,
  i.opened_at, i.opened_at, i.opened_at, 'synchronised', '[[0.1, 0.2, 0.3, 0.4]]', '[1920, 1080]',
  i.measures, i.reason, '[]', false, i.longitude, i.latitude, i.incident_id, '{"code": "same_camera"}',
  substr(i.area_code, 1, 6)
from incidents i cross join generate_series(1, :each) k
where substr(i.number, 2)::int between :first ::int and :last ::int
"""
_AT_ONCE: Final = 2_500  # incidents: a statement of the centre has a time limit
_POLICY = '{"judge_s": 60, "take_s": 180, "arrive_s": 300}'


@dataclass(frozen=True, slots=True)
class Past:
    """How much of it. `open`: incidents that are open now, of `closed + open`; `each`: alerts of an incident."""

    closed: int
    open: int
    each: int


async def make_past(database: Database, past: Past, now: datetime) -> int:
    """How many alerts are stored now."""
    total = past.closed + past.open
    for first in range(1, total + 1, _AT_ONCE):
        span = {"first": first, "last": min(total, first + _AT_ONCE - 1)}
        made = {"closed": past.closed, "open": past.open, "now": now, "policy": _POLICY}
        async with database.transaction() as conn:
            await conn.execute(text(_INCIDENTS), span | made)
            await conn.execute(text(_ALERTS), span | {"each": past.each})
    async with database.reading() as conn:
        return int((await conn.execute(text("select count(*) from alerts"))).scalar_one())

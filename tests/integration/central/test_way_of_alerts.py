"""The strip above a desk: the last alert that came all the way, how late alerts are, what is held, what ends soon."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from tests.support import city
from tests.support.centres import TestCentre, camera
from tests.support.noise import add_case
from tests.support.rows import add_incident, add_silence
from xueliang_central.incidents.tables import alerts, incidents
from xueliang_central.rights.scope import Role
from xueliang_central.silences.tables import silences


async def standing(centre: TestCentre, who: str = "desk", **asked: Any) -> dict[str, Any]:
    async with centre.signed_in(who) as client:
        answer = await client.get("/api/standing", params=asked)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_lag_held_and_ending_of_the_areas_of_a_desk(centre: TestCentre) -> None:
    await centre.add_user("desk", Role.OPERATOR, city.WEST)
    await centre.add_cameras(camera("a", city.GRID), camera("e", city.EAST_GRID))
    nothing = await standing(centre)
    assert (nothing["proof"], nothing["lag"]) == (None, None)
    assert nothing["held"] == {"incidents": 0, "alerts": 0}
    assert nothing["silences_ending"] == {"count": 0, "first_at": None, "within_s": 86_400}

    now = centre.clock.at
    for seconds_ago in (240, 120, 60):
        await add_case(centre, city.GRID, "a", at=now - timedelta(seconds=seconds_ago))
    await add_case(centre, city.EAST_GRID, "e", at=now)
    await add_case(centre, city.GRID, "a", at=now - timedelta(minutes=6))  # longer ago than lag is told of
    holding, storm, closed, ordinary = [await add_incident(centre, city.GRID) for _ in range(4)]
    silence = await add_silence(centre, city.GRID)
    await add_silence(centre, city.EAST_GRID)
    async with centre.database.transaction() as conn:
        # They had waited at their node for 90 seconds.
        await conn.execute(update(alerts).values(raised_at=alerts.c.first_received_at, received_at=now))
        for row in (await conn.execute(alerts.select())).mappings().all():
            earlier = row["first_received_at"] - timedelta(seconds=90)
            of_it = alerts.c.alert_id == row["alert_id"]
            await conn.execute(update(alerts).where(of_it).values(raised_at=earlier))
        for incident_id, values in (
            (holding, {"place_key": "~held-1", "alert_count": 7}),
            (storm, {"place_key": "~storm", "alert_count": 30}),
            (closed, {"place_key": "~held-2", "alert_count": 100, "state": "closed"}),
            (ordinary, {"alert_count": 1000}),
        ):
            await conn.execute(update(incidents).where(incidents.c.incident_id == incident_id).values(**values))
        ends_at = now + timedelta(hours=3)
        await conn.execute(
            update(silences).where(silences.c.silence_id == silence).values(starts_at=now, ends_at=ends_at)
        )
    found = await standing(centre)
    assert found["lag"] == {"median_s": 90.0, "alerts": 3}
    assert found["proof"]["way_s"] == 90.0
    assert found["held"] == {"incidents": 2, "alerts": 37}
    ending = found["silences_ending"]
    assert (ending["count"], ending["first_at"]) == (1, ends_at.isoformat(timespec="milliseconds")[:-6] + "Z")
    async with centre.signed_in("desk") as client:
        assert (await client.get("/api/standing", params={"area": city.EAST_GRID})).status_code == 404


async def test_a_silence_that_ends_after_a_day_or_has_not_begun_does_not_end_soon(centre: TestCentre) -> None:
    await centre.add_user("desk", Role.OPERATOR, city.WEST)
    now = centre.clock.at
    for starts_in_h, ends_in_h in ((-1, 25), (1, 2), (-2, -1)):
        silence = await add_silence(centre, city.GRID)
        times = {"starts_at": now + timedelta(hours=starts_in_h), "ends_at": now + timedelta(hours=ends_in_h)}
        async with centre.database.transaction() as conn:
            await conn.execute(update(silences).where(silences.c.silence_id == silence).values(**times))
    assert (await standing(centre))["silences_ending"]["count"] == 0


async def test_what_a_fault_of_a_camera_mutes_does_not_end_soon(centre: TestCentre) -> None:
    await centre.add_user("desk", Role.OPERATOR, city.WEST)
    now = centre.clock.at
    silence = await add_silence(centre, city.GRID)
    for kind, count in (("fault", 0), ("silence", 1)):
        values = {"kind": kind, "starts_at": now, "ends_at": now + timedelta(hours=3)}
        async with centre.database.transaction() as conn:
            await conn.execute(update(silences).where(silences.c.silence_id == silence).values(**values))
        assert (await standing(centre))["silences_ending"]["count"] == count

"""What is kept open takes alerts in for years: no revision and no view reads all of them, and nothing is lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.integration.central.flow.stage import MAYOR, NOON, HandClock, Stage, alert, received
from tests.integration.central.flow.test_http import Door, door
from tests.integration.central.flow.test_kept_open import DEADLINE, PLAN, do
from xueliang_alerts.contract import EndReason, Phase
from xueliang_central.incidents import old_members, service, views
from xueliang_central.incidents.tables import alerts

__all__ = ["door"]

SUMMED = ("severity", "began_at", "last_observed_at", "alert_count", "camera_count", "still_present", "gone", "reason")
FEW = 4
EPISODES = 12


async def grown(stage: Stage, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept open with a severe first alert; then another camera that stays, and a dozen short episodes of the first."""
    monkeypatch.setattr(old_members, "MOST_READ", FEW)
    monkeypatch.setattr(views, "MOST_SHOWN", FEW)
    await stage.take(received(alert(Phase.RAISED, 1), 1))
    await do(stage, MAYOR, "keep_open", plan=PLAN, deadline=DEADLINE)
    await stage.take(received(alert(Phase.CLEARED, 2, seen_s=90), 2, at=NOON + timedelta(seconds=90)))
    await stage.take(received(alert(Phase.RAISED, 1, camera_id="lane-west", severity=3), 3, at=NOON))
    for number in range(EPISODES):
        began = NOON + timedelta(hours=1 + number)
        await episode(stage, began, 4 + 2 * number)


async def episode(stage: Stage, began: datetime, sequence: int, end: EndReason = EndReason.SEEN_CLEAR) -> None:
    at = began + timedelta(seconds=70)
    more: dict[str, Any] = {"began_at": began, "severity": 4}
    await stage.take(received(alert(Phase.RAISED, 1, **more), sequence, at=at))
    more |= {"seen_s": 120, "end_reason": end}
    later = at + timedelta(seconds=60)
    await stage.take(received(alert(Phase.CLEARED, 2, **more), sequence + 1, at=later))


async def summed_of_all(stage: Stage) -> dict[str, Any]:
    """The aggregates from every member, as the pure function has them."""
    members = service.with_trusted_times(await stage.rows(alerts))
    whole = service.summarise(members)
    return {name: getattr(whole, name) for name in SUMMED}


async def test_the_summary_is_that_of_all_members_without_reading_them(
    stage: Stage, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await grown(stage, clock, monkeypatch)
    case = await stage.one_incident()
    assert case["state"] == "long_lived"
    assert {name: case[name] for name in SUMMED} == await summed_of_all(stage)
    assert (case["alert_count"], case["severity"], case["still_present"]) == (EPISODES + 2, 2, True)
    async with stage.database.reading() as conn:
        read, counted = await old_members.members_that_count(conn, case["incident_id"])
    assert len(read) == FEW + 1, "the newest, and the other camera's that has not ended"
    assert counted.alert_count == EPISODES + 2

    west = alert(Phase.CLEARED, 2, camera_id="lane-west", severity=3, seen_s=90)
    await stage.take(received(west, 90, at=NOON + timedelta(days=1)))
    assert (await stage.one_incident())["gone"] is True
    await episode(stage, NOON + timedelta(days=2), 91, EndReason.VIEW_LOST)
    case = await stage.one_incident()
    assert case["gone"] is False, "the latest episode of one camera was lost from view"
    assert {name: case[name] for name in SUMMED} == await summed_of_all(stage)


async def test_a_view_shows_the_newest_and_the_others_come_in_pages(
    stage: Stage, clock: HandClock, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    await grown(stage, clock, monkeypatch)
    incident_id = (await stage.one_incident())["incident_id"]
    async with door.client(MAYOR) as client:
        shown = (await client.get(f"/api/incidents/{incident_id}")).json()
        assert (len(shown["alerts"]), shown["alerts_left_out"]) == (FEW, EPISODES + 2 - FEW)
        assert (len(shown["timeline"]), shown["timeline_left_out"]) == (FEW, len(await stage.story()) - FEW)
        assert shown["why_folded"]["code"] == "first_here", "of the first alert, which is not among those shown"
        for name, total, of in (("alerts", EPISODES + 2, "alert_id"), ("timeline", len(await stage.story()), "kind")):
            found: list[Any] = []
            cursor: str | None = ""
            while cursor is not None:
                more = f"&cursor={cursor}" if cursor else ""
                page = (await client.get(f"/api/incidents/{incident_id}/{name}?limit=5{more}")).json()
                found += [one[of] for one in page["items"]]
                cursor = page["next_cursor"]
            assert len(found) == total
            if name == "alerts":
                assert len(set(found)) == total
            else:
                assert found[::-1] == await stage.story()
        wrong = await client.get(f"/api/incidents/{incident_id}/timeline?cursor=none")
        assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_cursor")

"""A voice note says what a note would, and goes when the photos of its task go, on both databases."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from tests.integration.central.flow.stage import PHOTO, WANG, ZHOU, HandClock, Stage, cleared, raised
from tests.integration.central.flow.test_retention import Kept
from xueliang_central.dispatch.tables import task_voices
from xueliang_central.dispatch.views import task_views
from xueliang_central.errors import MoveRefused
from xueliang_central.evidence.tables import pictures
from xueliang_central.incidents.tables import incident_timeline
from xueliang_central.rights.scope import Actor

VOICE = "cd" * 32
DAY_S = 86_400


@pytest.fixture
async def worker(stage: Stage) -> Actor:
    """Under way; has sent a voice note that no move names yet."""
    async with stage.database.transaction() as conn:
        await conn.execute(
            insert(pictures).values(
                sha256=VOICE,
                kind="voice",
                media_type="audio/webm",
                bytes=9,
                received_at=stage.clock(),
                received_from=WANG.user_id,
            )
        )
    await stage.take(raised())
    worker = WANG if (await stage.task())["worker_id"] == WANG.user_id else ZHOU
    await stage.work_on(worker, "take")
    return worker


async def test_a_report_may_be_spoken(stage: Stage, worker: Actor) -> None:
    await stage.work_on(worker, "handled", voices=[VOICE])
    task = await stage.task()
    assert task["state"] == "handled"
    async with stage.database.reading() as conn:
        (view,) = await task_views(conn, stage.rulebook.tree, [task])
    assert [(voice["sha256"], voice["move"]) for voice in view["voices"]] == [(VOICE, "handled")]
    assert view["photos"] == []
    entry = next(row for row in await stage.rows(incident_timeline) if row["kind"] == "handled")
    assert entry["params"]["voices"] == [VOICE]


async def test_a_reason_may_be_spoken(stage: Stage, worker: Actor) -> None:
    await stage.work_on(worker, "help", voices=[VOICE])
    assert (await stage.rows(task_voices))[0]["move"] == "help"


async def test_a_request_may_be_spoken(stage: Stage, worker: Actor) -> None:
    until = (await stage.task())["arrive_due_at"] + timedelta(minutes=5)
    await stage.work_on(worker, "ask_later_limit", reason_code="no_access", voices=[VOICE], until=until)
    assert (await stage.one_incident())["later_limit"]["voices"] == [VOICE]
    entry = next(row for row in await stage.rows(incident_timeline) if row["kind"] == "later_limit_asked")
    assert entry["params"]["voices"] == [VOICE]


async def test_what_is_refused(stage: Stage, worker: Actor) -> None:
    with pytest.raises(MoveRefused, match="upload the voice notes first"):
        await stage.work_on(worker, "handled", voices=["ef" * 32])
    with pytest.raises(MoveRefused, match="upload the voice notes first"):
        await stage.work_on(worker, "handled", voices=[PHOTO])
    with pytest.raises(MoveRefused, match="upload the photos first"):
        await stage.work_on(worker, "handled", photos=[VOICE])
    with pytest.raises(MoveRefused, match="nothing here needs a photo"):
        await stage.work_on(worker, "handled", voices=[VOICE], reason_code="nothing_here")
    with pytest.raises(MoveRefused, match="at most 3 voice notes"):
        await stage.work_on(worker, "handled", voices=[VOICE, "1" * 64, "2" * 64, "3" * 64])


async def test_it_goes_when_its_incident_was_closed_long_enough(
    stage: Stage, worker: Actor, clock: HandClock, tmp_path: Path
) -> None:
    kept = Kept(stage, tmp_path)
    await stage.work_on(worker, "handled", voices=[VOICE], photos=[PHOTO])
    clock.forward(300 * DAY_S)
    await kept.worker().remove_old()
    assert await kept.has_row(VOICE)  # nobody has seen it gone
    await stage.take(cleared(2, seen_s=120.0))
    clock.forward(179 * DAY_S)
    await kept.worker().remove_old()
    assert await kept.has_row(VOICE)
    clock.forward(2 * DAY_S)
    await kept.worker().remove_old()
    assert not await kept.has_row(VOICE)
    assert not await kept.has_row(PHOTO)


async def test_one_that_no_move_named_goes_after_a_month(
    stage: Stage, worker: Actor, clock: HandClock, tmp_path: Path
) -> None:
    kept = Kept(stage, tmp_path)
    clock.forward(29 * DAY_S)
    await kept.worker().remove_old()
    assert await kept.has_row(VOICE)
    clock.forward(2 * DAY_S)
    await kept.worker().remove_old()
    assert not await kept.has_row(VOICE)

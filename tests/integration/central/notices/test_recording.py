"""What became of a sent step is recorded in the end: also when recording meets a fault that is no CentralError."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.central.flow.stage import WANG, raised
from tests.integration.central.notices.conftest import City
from xueliang_central.notices import sending


@pytest.mark.parametrize("faults", [1, 3])
async def test_a_fault_at_recording_is_tried_again_and_the_target_is_asked_once(
    city: City, monkeypatch: pytest.MonkeyPatch, faults: int
) -> None:
    monkeypatch.setattr(sending, "RECORD_AGAIN_S", 0.01)
    await city.reach(WANG.user_id, "wecom")
    await city.stage.take(raised())
    async with city.worker() as worker:
        record, calls = worker.sender._record, 0

        async def broken(*given: Any) -> None:
            nonlocal calls
            calls += 1
            if calls <= faults:
                raise RuntimeError("13800001111")
            await record(*given)

        monkeypatch.setattr(worker.sender, "_record", broken)
        assert await city.turn(worker) == ["wecom"]
        assert worker.sender.counts["record_faults"] == faults
    assert (await city.steps())[0] == (0, "wecom", "sent", None)


async def test_a_fault_that_stays_ends_with_the_claim(
    city: City, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sending, "RECORD_AGAIN_S", 5.0)

    async def at_once(_seconds: float) -> None:
        return None

    monkeypatch.setattr(sending.asyncio, "sleep", at_once)
    await city.reach(WANG.user_id, "wecom")
    await city.stage.take(raised())
    async with city.worker() as worker:

        async def broken(*_given: Any) -> None:
            raise RuntimeError("13800001111")

        monkeypatch.setattr(worker.sender, "_record", broken)
        await worker.climb()
        await worker.sender.look()
        await worker.sender.idle()
        assert worker.sender.counts["record_faults"] == 3, "15 s of the claim, one try in 5 s"
    assert (await city.steps())[0][2] == "waiting", "claimed anew when the claim is over"
    assert "13800001111" not in caplog.text

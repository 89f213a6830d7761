"""Rows F01 to F04, F09 and F10 on camera sources: connections that fail in every way, and come back.

Reduced counts; `XUELIANG_FAULTS=full` runs those of the table. What only the node can show (alerts, child processes) is
tested with the node.
"""

from __future__ import annotations

import base64
import itertools
import logging
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.integration.streams.cameras import QUICK, frames_of, mono, newest_of, wait_for, wait_for_state, wall
from tests.support.fault_cameras import HANDSHAKE, CameraHost
from tests.support.fault_cameras.child import CameraProcess, Recipe
from tests.support.fault_cameras.dialogue_faults import Late, Login, Redirect, Status
from tests.support.fault_cameras.fault import Fault, Step
from tests.support.fault_cameras.peers import BlackHole, HangsUp, Nobody, Sink
from tests.support.fault_cameras.stream_faults import HalfOpen
from tests.support.fault_cameras.watching import (
    IS_FULL,
    READERS,
    READERS_IN_TURN,
    FastClock,
    PeakMemory,
    Reader,
    counted,
    eventually,
    held,
    newest_sequence,
    only_own,
    rss_mb,
    watching,
    watching_all,
)
from xueliang_edge.allocator import keep_arenas_few
from xueliang_edge.capture.children import CaptureChildren
from xueliang_edge.capture.grouping import reserve
from xueliang_edge.capture.orders import RECONNECTS_PER_S, CameraSpec, GroupSpec
from xueliang_streams import Backoff, CameraRefusedLogin, SourceSettings, SourceState, probe
from xueliang_streams.reconnects import Reconnects
from xueliang_streams.segments import Segment
from xueliang_streams.standing import IN_TURN_WORDS

OFFLINE, STALLED, STREAMING = SourceState.OFFLINE, SourceState.STALLED, SourceState.STREAMING
SWIFT = SourceSettings(stall_after_s=0.5, open_timeout_s=1.0)
"""So that many cycles fit into a test; a figure of the table is measured with the defaults."""


# F01


@pytest.mark.parametrize("reader", READERS_IN_TURN)
def test_f01_absent_camera_is_offline_within_15_s_and_says_why(reader: Reader) -> None:
    with (
        Nobody() as nobody,
        BlackHole() as hole,
        watching_all([nobody.url, hole.url], reader, backoff=Backoff()) as sources,
    ):
        for source, words in zip(sources, ("connection refused", "no answer within 5 s"), strict=True):
            health = wait_for_state(source, OFFLINE, within_s=15)
            assert words in (health.problem or "")
            assert health.attempts >= 1


@pytest.mark.parametrize("reader", READERS_IN_TURN)
@pytest.mark.timeout(300)
def test_f01_64_absent_cameras_are_tried_seldom(reader: Reader) -> None:
    clock = FastClock(30)
    begin_s, end_s = 100.0, float(counted(400, 3_700))  # by 100 s the burst of the start is over
    began_s = clock()
    turns = Reconnects(RECONNECTS_PER_S, clock())
    with (
        Nobody() as nobody,
        watching_all([nobody.url] * 64, reader, backoff=Backoff(), clock=clock, reconnects=turns) as sources,
    ):

        def attempts() -> list[int]:
            return [source.health().attempts for source in sources]

        wait_for(lambda: clock() - began_s >= begin_s, "the start is over", attempts, within_s=60)
        at_begin, really_begin_s = attempts(), clock()
        wait_for(lambda: clock() - began_s >= end_s, "the end", attempts, within_s=300)
        per_camera = [after - before for before, after in zip(at_begin, attempts(), strict=True)]
        lasted_s = clock() - really_begin_s
        healths = [source.health() for source in sources]
    assert all(health.state is OFFLINE for health in healths)
    assert all(IN_TURN_WORDS in (health.problem or "") for health in healths), "the wait is said"
    assert sum(per_camera) <= 0.5 * lasted_s, f"{sum(per_camera)} attempts in {lasted_s:.0f} s"
    assert min(per_camera) >= 1, "every camera is still tried"


@pytest.mark.alone
@pytest.mark.timeout(900 if IS_FULL else 120)
def test_f01_64_absent_cameras_of_a_node_are_tried_seldom_by_all_its_processes_together(tmp_path: Path) -> None:
    """Counted where the attempts arrive. Without the limit: some eighty in these twenty seconds."""
    with HangsUp() as nobody:
        names = [f"camera-{index}" for index in range(64)]
        groups = [
            GroupSpec(
                region,
                tuple(CameraSpec(name, nobody.url) for name in names[region::2]),
                slots=2,
                slot_bytes=1 << 16,
                background_dir=str(tmp_path),
                reconnects_per_s=RECONNECTS_PER_S / 2,
            )
            for region in range(2)
        ]
        capture = CaptureChildren(*reserve(groups), mono)
        capture.start()
        try:

            def tried(times: int) -> bool:
                capture.check()
                capture.looks()
                return len(nobody.tries_mono_s) >= times

            wait_for(lambda: tried(2 * 64), "a first and a second try each", capture.reports, within_s=60)
            begin_s = mono() + 10  # the burst is used up by then
            end_s = begin_s + counted(20, 600)
            wait_for(lambda: tried(0) and mono() >= end_s, "the end", capture.reports, within_s=end_s - mono() + 5)
            healths = [capture.health(name) for name in names]
        finally:
            capture.close()
    tries = nobody.tries_between(begin_s, end_s)
    late = len(groups)  # begun just before, counted within: one of each process
    assert 1 <= tries <= 0.5 * (end_s - begin_s) + late, f"{tries} attempts in {end_s - begin_s:.0f} s"
    assert all(health.state is OFFLINE for health in healths)
    assert sum(IN_TURN_WORDS in (health.problem or "") for health in healths) >= 32, "the wait is said"


# F02


@pytest.mark.parametrize("reader", READERS_IN_TURN)
def test_f02_half_open_connection_is_noticed_within_10_s_and_neighbours_feel_nothing(
    reader: Reader, host: CameraHost, clouds: Segment, clip_path: Path
) -> None:
    hang = HalfOpen()
    hanging, beside = host.camera(clouds, hang, is_faulty=False), host.camera(clouds)
    with (
        CameraProcess(clip_path, [[]]) as frozen,
        watching_all([hanging.url, frozen.urls[0], beside.url], reader) as sources,
    ):
        neighbour = sources[2]
        for source in sources:
            frames_of(source, 2)
        steady_since_s = neighbour.health().since_mono_s
        before = (newest_of(neighbour).sequence, beside.pictures_sent)
        hang.start()
        frozen.freeze()
        noticed = [wait_for_state(source, STALLED, OFFLINE, within_s=10) for source in sources[:2]]
        for health in noticed:
            assert "no packet for 4 s" in (health.problem or "")
        lasts = [newest_of(source).sequence for source in sources[:2]]
        wait_for(lambda: hanging.session_count > 1, "a new connection", sources[0].health, within_s=10)
        after = (newest_of(neighbour).sequence, beside.pictures_sent)
        frozen.thaw()
        for source, last in zip(sources, lasts, strict=False):
            frames_of(source, 2, newer_than=last, within_s=15)
        assert neighbour.health().since_mono_s == steady_since_s
        assert neighbour.health().state is STREAMING
    handed, sent = after[0] - before[0], after[1] - before[1]
    assert handed >= 0.98 * sent - 2, "the neighbour's frame rate fell"  # 2: those on their way at either end


@pytest.mark.parametrize("reader", READERS_IN_TURN)
@pytest.mark.timeout(1_200 if IS_FULL else 120)
def test_f02_half_open_cycles_leak_no_descriptor_and_no_thread(
    reader: Reader, host: CameraHost, clouds: Segment
) -> None:
    hang = HalfOpen()
    cameras = [host.camera(clouds, hang, is_faulty=False) for _ in range(4)]
    with watching_all([camera.url for camera in cameras], reader, settings=SWIFT) as sources:

        def cycle() -> None:
            lasts = [frames_of(source, 1)[-1].sequence for source in sources]
            hang.start()
            for source in sources:
                wait_for_state(source, STALLED, OFFLINE)
            for source, last in zip(sources, lasts, strict=True):
                frames_of(source, 1, newer_than=last + 5)
            hang.stop()  # only now do the cameras let the old connections go

        cycle()
        wait_for(lambda: all(len(camera.live_sessions()) == 1 for camera in cameras), "old connections end", held)
        before = held()
        for _ in range(counted(2, 50)):
            cycle()
        assert eventually(lambda: held() == before, 10), f"{before} before, {held()} after {hang.held} hangs"
    assert hang.held >= 4 * counted(2, 50)


# F03


@pytest.mark.parametrize("reader", READERS_IN_TURN)
def test_f03_camera_that_answers_late_at_any_step_always_comes(
    reader: Reader, host: CameraHost, clouds: Segment
) -> None:
    steps: tuple[Step, ...] = ("accept", *HANDSHAKE, "stream")
    delays_s = [index * 0.6 for index in range(17)] if IS_FULL else [0.3, 2.5, 4.8, 6.0]
    faults = [Late(step, delay_s, connections=1) for step, delay_s in itertools.product(steps, delays_s)]
    cameras = [host.camera(clouds, fault) for fault in faults]
    began_s = mono()
    with watching_all([camera.url for camera in cameras], reader, backoff=Backoff()) as sources:
        for source, fault in zip(sources, faults, strict=True):
            frame = source.next_frame(0, timeout_s=began_s + 15 - mono())
            assert frame is not None, f"{fault.describe()}: no frame within 15 s, {source.health()}"
    assert any(camera.session_count > 1 for camera in cameras), "no delay was long enough to be given up"
    assert any(camera.session_count == 1 for camera in cameras), "no delay was short enough to be waited for"


# F04

SLOW: dict[str, list[Recipe]] = {
    "silent": [("Silent", {})],
    **{f"drip-{step}": [("Drip", {"step": step})] for step in HANDSHAKE},
    "endless-headers": [("Endless", {"what": "headers"})],
    "endless-line": [("Endless", {"what": "line"})],
    "endless-description": [("Endless", {"what": "body"})],
    "length-beyond-64-bit": [("Endless", {"what": "body", "length_bytes": "99999999999999999999"})],
    "negative-length": [("Endless", {"what": "body", "length_bytes": -1})],
}


@pytest.mark.parametrize("reader", only_own("an endless description is given up after twice its time-out, 10.4 s"))
def test_f04_slow_and_endless_answers_are_given_up_within_10_s_and_5_mb(
    reader: Reader, host: CameraHost, clouds: Segment, clip_path: Path
) -> None:
    beside = host.camera(clouds)
    with watching(beside.url, reader) as neighbour, CameraProcess(clip_path, SLOW.values()) as cameras:
        frames_of(neighbour, 2)
        began_s = mono()
        with watching_all(cameras.urls, reader, backoff=Backoff(first_s=30)) as sources, PeakMemory() as memory:
            for name, source in zip(SLOW, sources, strict=True):
                left_s = began_s + 10.5 - mono()  # half a second for the machine to tell us
                health = wait_for_state(source, OFFLINE, within_s=left_s)
                assert health.since_mono_s - began_s <= 10, name
                assert health.problem, name
                assert source.next_frame(0, timeout_s=0) is None, name
        assert neighbour.health().state is STREAMING
        assert memory.growth_mb <= 5 * len(SLOW), f"{memory.growth_mb:.1f} MB for {len(SLOW)} cameras"
        cameras.heal()
        with watching_all(cameras.urls, reader) as sources:
            for source in sources:
                frames_of(source, 1, within_s=15)


@pytest.mark.parametrize("reader", READERS)
def test_refusals_are_said_in_words_and_end_when_the_camera_changes_its_mind(
    reader: Reader, host: CameraHost, clouds: Segment
) -> None:
    with Sink() as sink:
        faults: dict[Fault, tuple[SourceState, str]] = {
            Status(503): (OFFLINE, "answers with an error"),
            Status(404): (OFFLINE, "404"),
            Status(403): (SourceState.AUTH_FAILED, ""),
            Status(500, "SETUP"): (OFFLINE, ""),
            Status(454, "PLAY"): (OFFLINE, ""),
            Redirect(f"http://127.0.0.1:{sink.port}/", 302, "SETUP"): (OFFLINE, ""),
        }
        cameras = [host.camera(clouds, fault) for fault in faults]
        with watching_all([camera.url for camera in cameras], reader) as sources:
            for source, (state, words) in zip(sources, faults.values(), strict=True):
                health = wait_for_state(source, state, within_s=10)
                assert words in (health.problem or "")
                assert health.problem
            for camera in cameras:
                camera.stop_faults()
            for source in sources:
                frames_of(source, 1, within_s=15)
        assert not sink.visits


# F09


@pytest.mark.parametrize("reader", READERS_IN_TURN)
@pytest.mark.timeout(4_000 if IS_FULL else 120)
def test_f09_flapping_cameras_cost_bounded_work_and_leak_nothing(
    reader: Reader, clip_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)  # pytest keeps every record: 75 MB an hour that are not ours
    count, period_s, lasts_s = counted(24, 64), counted(2, 10), float(counted(6, 3_600))
    flapping: list[list[Recipe]] = [[("Flapping", {"period_s": period_s, "seed": seed})] for seed in range(count)]
    flapping += [[("Reset", {"after_pictures": 5})], [("Reset", {"after_pictures": 12})]]
    keep_arenas_few()  # as a node and its children do at their start: 64 threads here would be spread over sixteen
    before = held()
    with (
        CameraProcess(clip_path, flapping) as cameras,  # of its own: what it remembers is not our memory
        watching_all(cameras.urls, reader, backoff=Backoff(cap_s=4)) as sources,
    ):
        for source in sources:
            frames_of(source, 1)
        connected, began_s = cameras.session_counts(), mono()
        grown_mb: list[tuple[float, float]] = []

        def tries_of_each() -> list[int]:
            return [now - then for now, then in zip(cameras.session_counts(), connected, strict=True)]

        while mono() - began_s < lasts_s or (
            min(tries_of_each()) < 1 and mono() - began_s < lasts_s + 30
        ):  # busy machine
            descriptors, threads = held()
            assert descriptors <= before[0] + 2 + 2 * len(sources), "connections pile up"
            assert threads <= before[1] + len(sources)
            if mono() - began_s >= len(grown_mb) * lasts_s / 40:  # few: an hour of samples would grow by itself
                grown_mb.append((mono() - began_s, rss_mb()))
            time.sleep(0.1)
        tries, lasted_s = tries_of_each(), mono() - began_s
        cameras.heal()
        for source in sources:
            frames_of(source, 2, newer_than=newest_sequence(source), within_s=20)
            assert source.health().state is STREAMING
    assert eventually(lambda: held() == before, 10), (before, held())
    assert min(tries) >= 1, f"a camera did not flap: {tries}"
    # Waits are at least 1, 2, 2, 2, ... s in a row that only a connection of 10 s ends.
    assert max(tries) <= 3 + lasted_s / 2, f"{max(tries)} connections in {lasted_s:.0f} s"
    half = grown_mb[len(grown_mb) // 2 :]
    slope_mb_per_h = (half[-1][1] - half[0][1]) / (half[-1][0] - half[0][0]) * 3_600
    allowed_mb_per_h = 1.0 if IS_FULL else 4 / (lasts_s / 2) * 3_600  # in 3 s no slope shows: 4 MB at most
    assert slope_mb_per_h <= allowed_mb_per_h


# F10


@pytest.mark.parametrize("reader", READERS_IN_TURN)
def test_f10_changed_password_is_said_tried_once_a_minute_and_shown_nowhere(
    reader: Reader,
    host: CameraHost,
    clouds: Segment,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    rate = 90
    logins = [Login("Basic", "admin", "canary-old"), Login("Digest", "admin", "canary-old", has_qop=True)]
    cameras = [host.camera(clouds, login) for login in logins]
    urls = [camera.url.replace("rtsp://", "rtsp://admin:canary-old@") for camera in cameras]
    # On the fast clock these are 5 s and 4 s as ever.
    settings = SourceSettings(open_timeout_s=5 * rate, stall_after_s=4 * rate)
    shown: list[str] = []
    with watching_all(urls, reader, settings=settings, backoff=Backoff(), clock=FastClock(rate)) as sources:
        for source, login, camera in zip(sources, logins, cameras, strict=True):
            frames_of(source, 2)
            login.password = "canary-new"
            camera.drop()
        for source in sources:
            health = wait_for_state(source, SourceState.AUTH_FAILED)
            assert "refuses this user and password" in (health.problem or "")
            assert health.next_attempt_in_s is not None
        tries = counted(3, 20)
        for source, login in zip(sources, logins, strict=True):
            wait_for(lambda login=login: login.tries >= tries, "more tries", source.health, within_s=60)  # type: ignore[misc]
            shown += [str(source.health()), repr(source)]
            gaps_s = [(after - before) * rate for before, after in pairwise(login.try_times_mono_s)]
            assert min(gaps_s) >= 60, "the camera may lock the account"
            login.password = "canary-old"
        for source in sources:
            wait_for_state(source, STREAMING, within_s=10)
        shown += [thread.name for thread in threading.enumerate()]
    logins[0].password = "canary-new"
    with pytest.raises(CameraRefusedLogin) as refused:
        probe(urls[0], timeout_s=5, wall=wall, mono=mono)
    shown += [str(refused.value), repr(refused.value.__cause__), repr(refused.value.__context__)]
    logged = [str(vars(record)) for record in caplog.records if record.name.startswith("xueliang")]
    assert len(logged) >= 4, "what happens must be logged"
    output = capfd.readouterr()
    encoded = base64.b64encode(b"admin:canary-old").decode()
    found = [text for text in [*shown, *logged, output.out, output.err] if "canary-" in text or encoded in text]
    assert not found


@pytest.mark.parametrize("reader", READERS)
def test_f10_every_scheme_is_spoken_and_a_stale_nonce_is_no_refusal(
    reader: Reader, host: CameraHost, clouds: Segment
) -> None:
    logins = [
        Login("Basic", "admin", "se cret:;@"),
        Login("Digest", "admin", "secret"),
        Login("Digest", "admin", "secret", algorithm="MD5", has_qop=True),
        Login("Digest", "admin", "secret", nonce_lives=2),
    ]
    if reader == "own":
        logins.append(Login("Digest", "admin", "secret", algorithm="SHA-256", has_qop=True))
    cameras = [host.camera(clouds, login) for login in logins]
    urls = [
        camera.url.replace(
            "rtsp://", "rtsp://admin:se%20cret%3A%3B%40@" if login.password != "secret" else "rtsp://admin:secret@"
        )
        for camera, login in zip(cameras, logins, strict=True)
    ]
    with watching_all(urls, reader, backoff=QUICK) as sources:
        for source, login in zip(sources, logins, strict=True):
            assert source.next_frame(0, timeout_s=10) is not None, f"{login.describe()}: {source.health()}"
    assert [login.tries for login in logins] == [0] * len(logins)

"""Live view from a real camera, by a node's own process, over a real broker and HTTP: who may, and nobody else."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import av
import pytest
from sqlalchemy import select

from tests.support.live_centre import AT_ONCE, SIZE_WH, AtTheCentre, LiveCentre, camera_at, live_centre, rtsp_cameras
from tests.support.live_node import live_node
from tests.support.puppet_node import PuppetNode
from xueliang_central.audit import chain
from xueliang_central.audit.tables import audit_records
from xueliang_central.live_views.marks import marks_in as box_marks_in
from xueliang_central.store.database import Database
from xueliang_configs.node import LiveViewConfig
from xueliang_demo.processes import wait_until
from xueliang_edge.live_view.serving import LiveViews
from xueliang_streams.live_mp4 import marks_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ALLOWED = LiveViewConfig(cameras=("cam-0", "cam-1", "cam-2"), at_once=2)
ENOUGH = 15  # pictures


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCentre]:
    with live_centre(tmp_path_factory.mktemp("centre")) as made, PuppetNode(made):
        yield made


@pytest.fixture(scope="module")
def guard(centre: LiveCentre) -> Iterator[AtTheCentre]:
    with AtTheCentre(centre, "guard") as person:
        yield person


@pytest.fixture
def viewer(centre: LiveCentre, guard: AtTheCentre) -> Iterator[AtTheCentre]:
    """An operator of the whole city who has been given the right."""
    with AtTheCentre(centre, "operator") as person:
        assert guard.give_right(person.user_id).status_code == 200
        yield person


def played(data: bytes) -> list[av.VideoFrame]:
    """Every picture of it, also where its end is cut off."""
    frames: list[av.VideoFrame] = []
    with av.open(io.BytesIO(data), format="mp4") as container:
        try:
            frames.extend(container.decode(video=0))
        except av.error.FFmpegError:
            pass
    return frames


def pictures_in(data: bytes) -> int:
    return data.count(b"moof")


def watched(answer: Any, pictures: int = ENOUGH) -> bytes:
    """What comes until there are so many pictures; then the view is closed."""
    assert answer.status_code == 200, (answer.read(), answer.text)
    data = b""
    for part in answer.iter_raw():
        data += part
        if pictures_in(data) >= pictures:
            break
    return data


def begun(answer: Any) -> Iterator[bytes]:
    """What comes after the first part; whoever lets go of it closes the view."""
    assert answer.status_code == 200, (answer.read(), answer.text)
    parts: Iterator[bytes] = answer.iter_raw()
    assert next(parts)
    return parts


def records(centre: LiveCentre, *, action: str = "live_view.") -> list[dict[str, Any]]:
    """Of the audit chain, which must be whole."""

    async def read() -> list[dict[str, Any]]:
        database = await Database.open(f"sqlite:///{centre.folder / 'centre' / 'centre.db'}")
        try:
            async with database.reading() as conn:
                assert (await chain.verify(conn)).is_whole
                found = (await conn.execute(select(audit_records).order_by(audit_records.c.position))).mappings()
                return [dict(row) for row in found if row["action"].startswith(action)]
        finally:
            await database.close()

    return asyncio.run(read())


def ended(centre: LiveCentre, view_id: str) -> dict[str, Any]:
    """The record of a view's end, once it is there."""
    found: list[dict[str, Any]] = []

    def is_there() -> bool:
        found[:] = [one for one in records(centre, action="live_view.ended") if one["detail"]["view_id"] == view_id]
        return bool(found)

    wait_until(is_there, "the record of the end", 30)
    return dict(found[0]["detail"])


def test_who_has_the_right_sees_moving_pictures_marked_and_recorded(
    centre: LiveCentre, viewer: AtTheCentre, tmp_path: Path
) -> None:
    with (
        rtsp_cameras(tmp_path, {"cam-0": "h264"}) as urls,
        live_node(centre, [camera_at("cam-0", urls["cam-0"])], ALLOWED) as node,
    ):
        with viewer.watching("cam-0") as answer:
            data = watched(answer)
            head = dict(answer.headers)
        wait_until(lambda: node.counts["ended_viewer_gone"], "the node's end of it", 20)
    frames = played(data)
    assert len(frames) >= ENOUGH - 2
    assert (frames[0].width, frames[0].height) == SIZE_WH
    assert frames[0].to_ndarray(format="gray").mean() > 50
    assert (frames[0].to_ndarray(format="gray") != frames[-1].to_ndarray(format="gray")).any(), "nothing moved"
    view_id = head["x-live-view"]
    assert head["cache-control"] == "no-store"
    assert head["content-type"].startswith('video/mp4; codecs="avc1.')
    assert view_id in marks_in(data)[0]
    mark = box_marks_in(data)[0]
    assert (mark["viewer"], mark["camera"], mark["purpose"], mark["view"]) == (
        "operator",
        "cam-0",
        "emergency",
        view_id,
    )
    end = ended(centre, view_id)
    assert (end["why"], end["bytes"] >= len(data)) == ("viewer_gone", True)
    (began,) = [one for one in records(centre, action="live_view.began") if one["detail"]["view_id"] == view_id]
    assert (began["actor"], began["object_id"]) == ("operator", "cam-0")
    assert (began["detail"]["purpose"], began["detail"]["note"]) == ("emergency", "有人呼救，确认现场")
    assert not list((centre.folder).rglob("*.mp4")), "something was kept"


def test_it_is_refused_in_words_where_centre_node_camera_or_right_say_no(
    centre: LiveCentre, viewer: AtTheCentre, guard: AtTheCentre, tmp_path: Path
) -> None:
    zone = ((0.0, 0.0), (0.2, 0.0), (0.2, 0.2))
    with rtsp_cameras(tmp_path, {"cam-0": "h264", "cam-1": "hevc"}) as urls:
        cameras = [
            camera_at("cam-0", urls["cam-0"], privacy_zones=(zone,)),
            camera_at("cam-1", urls["cam-1"]),
            camera_at("cam-2", urls["cam-0"].replace("cam-0", "nothing-here")),
            camera_at("cam-3", urls["cam-0"]),
        ]
        with live_node(centre, cameras, ALLOWED):
            zoned, hevc, gone, not_named = (viewer.refused(f"cam-{i}") for i in range(4))
            assert viewer.refused("cam-0", note="")[:2] == (422, "invalid")
            assert viewer.refused("cam-0", purpose="curiosity")[:2] == (422, "invalid")
            assert viewer.refused("cam-0", purpose="incident")[:2] == (422, "live_refused")
            unknown = "00000000-0000-4000-8000-000000000000"
            assert viewer.refused("cam-0", incident_id=unknown)[0] == 404
            assert viewer.refused("no-such")[0] == 404
            with AtTheCentre(centre, "elsewhere") as other:
                assert other.refused("cam-1")[:2] == (403, "not_allowed")
                assert guard.give_right(other.user_id).status_code == 200
                assert other.refused("cam-1")[0] == 404, "the right is for the own areas"
                guard.take_right(other.user_id)
        with live_node(centre, cameras, None):
            off = viewer.refused("cam-1")
    assert (zoned[:2], "privacy_zones" in zoned[2]) == ((422, "live_refused"), True)
    assert (hevc[:2], "H.264" in hevc[2]) == ((422, "live_refused"), True)
    assert (gone[:2], "does not answer" in gone[2]) == ((422, "live_refused"), True), gone
    assert (not_named[:2], "not turned on" in not_named[2]) == ((422, "live_refused"), True)
    assert (off[:2], "not turned on" in off[2]) == ((422, "live_refused"), True)


def test_a_right_is_given_by_another_for_a_time_and_to_desks_alone(centre: LiveCentre, guard: AtTheCentre) -> None:
    with AtTheCentre(centre, "operator") as person, AtTheCentre(centre, "worker") as worker:
        assert person.give_right(person.user_id).status_code == 403
        assert guard.give_right(guard.user_id).status_code == 403, "to oneself"
        assert guard.give_right(worker.user_id).status_code == 422
        assert guard.give_right(person.user_id, days=91).status_code == 422
        assert guard.give_right(person.user_id, days=-1).status_code == 422
        assert guard.give_right(person.user_id).status_code == 200
        assert person.client.get("/api/live-views").json()["until"] is not None
        assert guard.take_right(person.user_id).status_code == 204
        assert guard.take_right(person.user_id).status_code == 404
        assert person.client.get("/api/live-views").json() == {"is_on": True, "until": None, "minutes": 1}
        assert person.refused("cam-0")[:2] == (403, "not_allowed")
    actions = [one["action"] for one in records(centre, action="live_right.")]
    assert {"live_right.granted", "live_right.revoked"} == set(actions)


@pytest.mark.parametrize("how", ["right", "session"])
def test_a_right_taken_back_and_a_session_ended_close_the_view(
    centre: LiveCentre, viewer: AtTheCentre, guard: AtTheCentre, tmp_path: Path, how: str
) -> None:
    with (
        rtsp_cameras(tmp_path, {"cam-0": "h264"}) as urls,
        live_node(centre, [camera_at("cam-0", urls["cam-0"])], ALLOWED),
        viewer.watching("cam-0") as answer,
    ):
        parts = answer.iter_raw()
        next(parts)
        if how == "right":
            guard.take_right(viewer.user_id)
        else:
            with AtTheCentre(centre, "operator") as same:
                cookies = dict(viewer.client.cookies)
                same.client.cookies.clear()
                same.client.cookies.update(cookies)
                same.client.headers["x-csrf-token"] = viewer.client.headers["x-csrf-token"]
                assert same.client.delete("/api/session").status_code == 204
        data = b"".join(parts)  # ends by itself, far before its minute is over
    assert box_marks_in(data)[-1]["over"] == ("right_ended" if how == "right" else "session_ended")


def test_the_number_of_views_is_bounded_and_said(
    centre: LiveCentre, viewer: AtTheCentre, guard: AtTheCentre, tmp_path: Path
) -> None:
    one_only = LiveViewConfig(cameras=ALLOWED.cameras, at_once=1)
    with rtsp_cameras(tmp_path, {"cam-0": "h264"}) as urls:
        cameras = [camera_at(f"cam-{i}", urls["cam-0"]) for i in range(3)]
        with live_node(centre, cameras, one_only), viewer.watching("cam-0") as first:
            running = begun(first)
            status, code, words = viewer.refused("cam-1")
            assert (status, code) == (422, "live_refused")
            assert words.startswith("1 views of this node")
            assert next(running)
            view_id = first.headers["x-live-view"]
        ended(centre, view_id)
        with (
            live_node(centre, cameras, ALLOWED),
            viewer.watching("cam-0") as first,
            viewer.watching("cam-1") as second,
        ):
            running, other = begun(first), begun(second)
            status, code, words = viewer.refused("cam-2")
            assert next(running)
            assert next(other)
        assert (status, code) == (409, "node_busy")
        assert words.startswith(f"{AT_ONCE} live views run at this centre")


@contextmanager
def live_node_of_a_camera(centre: LiveCentre, folder: Path) -> Iterator[tuple[ExitStack, LiveViews]]:
    """The camera, which may be closed before, and its node."""
    with ExitStack() as cameras:
        urls = cameras.enter_context(rtsp_cameras(folder, {"cam-0": "h264"}))
        with live_node(centre, [camera_at("cam-0", urls["cam-0"])], ALLOWED) as node:
            yield cameras, node


def test_a_camera_that_goes_away_ends_its_view_and_says_so(
    centre: LiveCentre, viewer: AtTheCentre, tmp_path: Path
) -> None:
    with live_node_of_a_camera(centre, tmp_path) as (cameras, _), viewer.watching("cam-0") as answer:
        parts = answer.iter_raw()
        next(parts)
        cameras.close()
        data = b"".join(parts)
    assert box_marks_in(data)[-1]["over"] == "camera_gone"


def test_a_node_that_stops_ends_its_views(centre: LiveCentre, viewer: AtTheCentre, tmp_path: Path) -> None:
    with live_node_of_a_camera(centre, tmp_path) as (_, node), viewer.watching("cam-0") as answer:
        parts = answer.iter_raw()
        next(parts)
        node.close()
        data = b"".join(parts)
    assert box_marks_in(data)[-1]["over"] in ("node_silent", "node_stopped")


def test_a_viewer_that_pauses_holds_up_nobody_and_what_it_gets_can_be_played(
    centre: LiveCentre, viewer: AtTheCentre, tmp_path: Path
) -> None:
    """What is given up beyond the bound: `tests/unit/central/live_views/test_waiting.py`."""
    with live_node_of_a_camera(centre, tmp_path) as (_, node), viewer.watching("cam-0") as answer:
        parts = answer.iter_raw()
        data = next(parts)
        time.sleep(3)  # reads nothing
        while pictures_in(data) < 40:
            data += next(parts)
        assert not node.counts["pictures_lost"]
    assert len(played(data)) >= 38


def test_an_off_centre_refuses_whatever_the_right_says(tmp_path: Path) -> None:
    with (
        live_centre(tmp_path, is_on=False) as centre,
        PuppetNode(centre),
        AtTheCentre(centre, "guard") as guard,
        AtTheCentre(centre, "operator") as person,
    ):
        assert guard.give_right(person.user_id).status_code == 200
        status, code, words = person.refused("cam-0")
        assert (status, code) == (422, "live_refused")
        assert "live view is off at this centre" in words
        assert person.client.get("/api/live-views").json()["is_on"] is False

"""Setting the box up: again with other cameras, and after a set-up that was cut off."""

from __future__ import annotations

import json
import sqlite3
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import NODE_ID, Account, Installation, Plan, WatchedCamera

CITY = make_city(DEMO)
GRID = CITY.of_level("grid")[3]
OPERATOR = Account("operator", "operator", CITY.areas[0].code, "operator")
WORKER = Account("worker", "worker", GRID.code, "worker")


def set_up(folder: Path, cameras: Sequence[str], accounts: Sequence[Account] = (OPERATOR, WORKER)) -> Installation:
    place = GRID.polygon.representative_point()
    watched = tuple(
        WatchedCamera(name, name, f"rtsp://user:secret@127.0.0.1:9/{name}", GRID.code, place.x, place.y)
        for name in cameras
    )
    installation = Installation(folder, Plan(CITY, watched, (), tuple(accounts), POLICIES))
    installation.set_up()
    return installation


def column(folder: Path, query: str) -> list[str]:
    connection = sqlite3.connect(folder / "centre/centre.db")
    try:
        return [str(row[0]) for row in connection.execute(query)]
    finally:
        connection.close()


def forget(folder: Path, *keys: str) -> None:
    """As if the set-up had been cut off before these were noted."""
    path = folder / "secrets.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in kept.items() if key not in keys}))


@pytest.mark.parametrize(
    ("first", "second"), [(["own"], ["lane", "plaza"]), (["lane", "plaza"], ["own"])], ids=["own_first", "own_later"]
)
def test_another_start_with_other_cameras_adds_them_to_the_register(
    tmp_path: Path, first: list[str], second: list[str]
) -> None:
    set_up(tmp_path, first)
    set_up(tmp_path, second)
    query = f"select camera_id from cameras where node_id = '{NODE_ID}' order by camera_id"
    assert column(tmp_path, query) == ["lane", "own", "plaza"]


def test_a_set_up_that_was_cut_off_between_two_people_is_gone_on_with(tmp_path: Path) -> None:
    set_up(tmp_path, ["lane"], [OPERATOR])
    set_up(tmp_path, ["lane"], [OPERATOR, WORKER])
    assert column(tmp_path, "select username from users order by username") == ["operator", "worker"]


def test_what_was_added_and_not_noted_holds_up_no_later_start(tmp_path: Path) -> None:
    set_up(tmp_path, ["lane"])
    (hash_before,) = column(tmp_path, "select token_hash from nodes")
    forget(tmp_path, "accounts_added", "node_token")
    installation = set_up(tmp_path, ["lane"])
    (hash_after,) = column(tmp_path, "select token_hash from nodes")
    assert hash_after != hash_before, "the token that was lost is replaced"
    kept = json.loads((tmp_path / "secrets.json").read_text())
    assert kept["accounts_added"] == ["operator", "worker"]
    assert kept["accounts"]["operator"] == installation.password_of("operator"), "people keep their passwords"
    set_up(tmp_path, ["lane"])
    assert column(tmp_path, "select token_hash from nodes") == [hash_after], "and no token is lost by a plain start"


def test_what_is_kept_is_the_owners_only(tmp_path: Path) -> None:
    folder = tmp_path / "box"
    set_up(folder, ["lane"], [OPERATOR])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert "user:secret@" in (folder / "node.yaml").read_text()
    open_to_others = [path.name for path in folder.iterdir() if path.is_file() and path.stat().st_mode & 0o077]
    assert open_to_others == []


def test_a_folder_that_is_somebody_elses_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    Installation(tmp_path, Plan(CITY, (), (), (OPERATOR,), POLICIES))
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600

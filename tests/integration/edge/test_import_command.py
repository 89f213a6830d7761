"""`xueliang-edge import` on a handful of real cameras, one wrong password, one dead, one that is no video."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from openpyxl import Workbook

from tests.support.clips import moving_box_clip
from xueliang_alerts.clocks import system_wall
from xueliang_configs.loading import load_cameras, load_node
from xueliang_edge.cli import main
from xueliang_streams.rtsp_server import ClipMount, RtspServer

PASSWORD = "canary/7@#"
QUOTED = "canary%2F7%40%23"
HEADER = ("名称", "camera_id", "主码流", "子码流", "用户名", "密码", "坐标系", "经度", "纬度", "网格编码", "场所类型")
PLACE = ("gcj02", "117.021", "36.672", "370102003005007", "街道")
BULK = ("--set", "purpose=消防通道监看", "--set", "legal_basis=条例第三条")


@dataclass(frozen=True)
class Village:
    """Cameras on loopback. `dead` is a port that nobody listens at, `garbage` one that answers in another language."""

    server: RtspServer
    dead: int
    garbage: int

    def url(self, name: str) -> str:
        return self.server.url(name, with_login=False)


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Village]:
    folder = tmp_path_factory.mktemp("clips")
    large = moving_box_clip(folder / "large.mp4", seconds=2, size_wh=(640, 360))
    small = moving_box_clip(folder / "small.mp4", seconds=2, size_wh=(320, 180))
    square = moving_box_clip(folder / "square.mp4", seconds=2, size_wh=(320, 240))
    mounts = {
        **{name: ClipMount(large) for name in ("gate", "yard", "lane", "locked", "rtp/34020000001320000001")},
        **{name: ClipMount(small) for name in ("gate-sub", "yard-sub", "locked-sub")},
        "lane-sub": ClipMount(square),
    }
    with ExitStack() as stack:
        server = stack.enter_context(
            RtspServer(mounts, wall=system_wall, login=("viewer", PASSWORD), login_scheme="digest")
        )
        dead = stack.enter_context(socket.socket())
        dead.bind(("127.0.0.1", 0))  # bound and not listening: a port that surely refuses
        garbage = stack.enter_context(_Garbage())
        yield Village(server, dead.getsockname()[1], garbage.port)


class _Garbage(ExitStack):
    """Answers everything with a web page."""

    def __enter__(self) -> _Garbage:
        listener = self.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port: int = listener.getsockname()[1]

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(4096)
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n<html>no</html>")

        threading.Thread(target=serve, daemon=True).start()
        return self


def rows(village: Village) -> list[tuple[str, ...]]:
    login = ("viewer", PASSWORD)
    return [
        ("东门", "gate-east", village.url("gate"), village.url("gate-sub"), *login, *PLACE),
        # The streams the wrong way round, and no id.
        ("院子", "", village.url("yard-sub"), village.url("yard"), *login, *PLACE),
        # A sub stream of another shape, and a login in the addresses.
        (
            "巷口",
            "lane",
            *(village.url(name).replace("//", f"//viewer:{QUOTED}@") for name in ("lane", "lane-sub")),
            *login,
            *PLACE,
        ),
        ("巷尾", "lane-end", village.url("rtp/34020000001320000001") + "?token=canary9", "", *login, *PLACE),
    ]


def bad_rows(village: Village) -> list[tuple[str, ...]]:
    return [
        ("锁着", "locked", village.url("locked"), village.url("locked-sub"), "viewer", "canary-wrong", *PLACE),
        ("停电", "dead", f"rtsp://127.0.0.1:{village.dead}/s1", "", "", "", *PLACE),
        ("网页", "web", f"rtsp://127.0.0.1:{village.garbage}/s1", "", "", "", *PLACE),
    ]


def write_csv(path: Path, lines: list[tuple[str, ...]]) -> Path:
    path.write_text("\n".join(",".join(line) for line in [HEADER, *lines]), encoding="gb18030")
    return path


def write_xlsx(path: Path, lines: list[tuple[str, ...]]) -> Path:
    book = Workbook()
    assert book.active is not None
    book.active.append(["雪亮工程点位表"])
    for line in [HEADER, *lines]:
        book.active.append([float(cell) if cell in PLACE[1:3] else cell or None for cell in line])
    book.save(path)
    return path


def run(*arguments: str | Path) -> int:
    return main(["import", *(str(argument) for argument in arguments)])


def loaded(out: Path, node: str, environment: Mapping[str, str], folder: Path) -> Any:
    """The written list inside a node.yaml, read as a node reads it."""
    text = (out / f"node-{node}.cameras.yaml").read_text(encoding="utf-8")
    path = folder / f"{node}.yaml"
    path.write_text(f"node: {{node_id: {node}, data_dir: data}}\n{text}", encoding="utf-8")
    return load_node(path, environment)


def environment_of(path: Path) -> dict[str, str]:
    """As a shell reads it."""
    script = f'set -a; . "{path}"; env -0'
    said = subprocess.run(
        ["sh", "-c", script], capture_output=True, check=True, env={"PATH": os.environ["PATH"]}
    ).stdout
    return dict(line.split("=", 1) for line in said.decode().split("\0") if line.startswith("CAM_"))


def everything_in(folder: Path) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.suffix in (".yaml", ".json"))


def fix_lane(lines: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The row whose login is written twice, mended."""
    return [(*line[:4], "", "", *line[6:]) if line[1] == "lane" else line for line in lines]


def test_dry_run_tells_every_bad_row_and_every_silent_camera_and_writes_nothing(
    village: Village, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = ("", "", "http://10.0.0.9/s1", "", "", "", "utm", "117", "91", "37", "moon")
    table = write_csv(tmp_path / "cameras.csv", [*rows(village), *bad_rows(village), wrong])
    out = tmp_path / "out"
    assert run(table, "--node", "edge-01", "--out", out, "--timeout", "6", *BULK) == 2
    said = capsys.readouterr()
    for expected in (
        "cameras.csv: row 4, url: expected the login once, got it in the address and in the columns user and password",
        "row 9, name: expected a value, got nothing",
        'row 9, url: expected an rtsp:// or rtsps:// address, got "http"',
        'row 9, datum: expected one of wgs84, gcj02 or bd09, got "utm"',
        'row 9, latitude: expected degrees from -90 to 90, got "91"',
        "row 9, area_code: expected 4, 6, 9, 12 or 15 digits",
        "row 9, place_class: expected one of residential, school",
        "row 6, url: rtsp://viewer:***@127.0.0.1",
        "the camera refuses this user and password; check both",
        "row 7, url: rtsp://127.0.0.1",
        "nothing listens there (connection refused); check the port",
        "row 8, url: rtsp://127.0.0.1",
        "does not speak RTSP",
    ):
        assert expected in said.err, expected
    assert "8 rows, 2 bad, 3 cameras answered, 3 did not" in said.out
    assert "dry run, nothing was written" in said.out
    assert not out.exists()
    assert "canary" not in said.out + said.err
    assert PASSWORD not in said.out + said.err


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_applied_it_gives_what_node_and_centre_read(
    kind: str, village: Village, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = fix_lane(rows(village))
    write = write_xlsx if kind == "xlsx" else write_csv
    table, out = write(tmp_path / f"cameras.{kind}", lines), tmp_path / "out"
    nodes = ("--node", "edge-01=1,50", "--node", "edge-02=1,50")
    assert run(table, *nodes, "--out", out, "--timeout", "8", "--apply", "--with-passwords", *BULK) == 0, (
        capsys.readouterr().err
    )
    said = capsys.readouterr()
    assert "4 cameras answered, 0 did not" in said.out
    assert "main and sub are swapped" in said.out
    assert "sub stream left out: does not fit: another shape" in said.out
    assert "full first:" in said.out

    register = {one.camera_id: one for one in load_cameras(out / "cameras.yaml").cameras}
    assert len(register) == 4
    gate = register["gate-east"]
    assert (gate.name, gate.datum, gate.area_code) == ("东门", "gcj02", "370102003005007")
    assert (gate.place_class, gate.purpose, gate.legal_basis) == ("street", "消防通道监看", "条例第三条")

    configured = {}
    for node in ("edge-01", "edge-02"):
        environment = environment_of(out / f"node-{node}.env")
        for camera in loaded(out, node, environment, tmp_path).cameras:
            configured[camera.camera_id] = camera
            assert register[camera.camera_id].node_id == node
    assert set(configured) == set(register)
    assert len({one.node_id for one in register.values()}) == 2, "shared out over both nodes"
    yard = next(camera for camera in configured.values() if camera.name == "院子")
    assert yard.camera_id.startswith("cam-")
    assert yard.url.reveal().endswith("/yard"), "exchanged"
    assert yard.sub_url.reveal().endswith("/yard-sub")
    assert configured["lane"].sub_url is None
    assert configured["gate-east"].url.reveal() == village.url("gate").replace("//", f"//viewer:{QUOTED}@")
    assert configured["lane-end"].url.reveal().endswith("?token=canary9")

    assert "canary" not in everything_in(out)
    assert PASSWORD not in said.out + said.err
    for path in out.rglob("*"):
        assert path.is_dir() or stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_stills_are_masked_where_something_moves(
    village: Village, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, out = write_csv(tmp_path / "cameras.csv", rows(village)[:1]), tmp_path / "out"
    assert run(table, "--node", "edge-01", "--out", out, "--apply", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    (camera,) = told["cameras"]
    assert told["stills"] == 1
    assert camera["cost"]["cpu_s_per_camera_minute"] > 0
    assert camera["sub"]["size_wh"] == [320, 180]
    assert not (out / "node-edge-01.env").exists(), "passwords were not asked for"
    still = cv2.imread(str(out / "stills" / "gate-east.jpg"))
    assert still is not None
    assert still.shape == (360, 640, 3)
    # The white square jumps from picture to picture: every place it was at is filled, nothing of it is seen.
    middle = still[180, :, :].max(axis=1)
    assert int(middle.max()) < 150, "the moving square shows"
    assert int(np.median(still[20])) == pytest.approx(70, abs=6), "what does not move is shown"


def test_cameras_that_do_not_fit_are_refused_with_the_arithmetic(
    village: Village, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, out = write_csv(tmp_path / "cameras.csv", fix_lane(rows(village))), tmp_path / "out"
    assert run(table, "--node", "edge-01=0.001,50", "--out", out, "--apply", *BULK) == 2
    said = capsys.readouterr()
    assert "4 cameras need" in said.err
    assert "80% x 0.001" in said.err
    assert "cores first" in said.err
    assert "try: name another node" in said.err
    assert "nothing was written" in said.out
    assert not out.exists()


def test_silent_cameras_are_left_out_or_taken_along_as_asked(
    village: Village, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_csv(tmp_path / "cameras.csv", [rows(village)[0], *bad_rows(village)[1:2]])
    assert run(table, "--node", "edge-01", "--out", tmp_path / "a", "--apply") == 1
    assert [one.camera_id for one in load_cameras(tmp_path / "a" / "cameras.yaml").cameras] == ["gate-east"]
    assert run(table, "--node", "edge-01", "--out", tmp_path / "b", "--apply", "--include-unreachable") == 1
    assert [one.camera_id for one in load_cameras(tmp_path / "b" / "cameras.yaml").cameras] == ["gate-east", "dead"]
    capsys.readouterr()


def test_files_that_are_there_are_not_replaced_by_chance(
    village: Village, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, out = write_csv(tmp_path / "cameras.csv", rows(village)[:1]), tmp_path / "out"
    out.mkdir()
    (out / "node-edge-01.cameras.yaml").write_text("rules: by hand")
    assert run(table, "--node", "edge-01", "--out", out, "--apply") == 2
    assert "has node-edge-01.cameras.yaml already" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["node-edge-01.cameras.yaml"]
    assert (out / "node-edge-01.cameras.yaml").read_text() == "rules: by hand"
    assert run(table, "--node", "edge-01", "--out", out, "--apply", "--replace") == 0
    written = yaml.safe_load((out / "node-edge-01.cameras.yaml").read_text(encoding="utf-8"))
    assert written["cameras"][0]["camera_id"] == "gate-east"


def test_a_refused_login_is_not_tried_again_and_again(
    village: Village, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recorder with thirty channels would lock the account."""
    lines = [
        (
            f"通道{index}",
            f"ch-{index}",
            f"{village.url('locked')}?channel={index}",
            "",
            "viewer",
            "canary-wrong",
            *PLACE,
        )
        for index in range(12)
    ]
    assert run(write_csv(tmp_path / "cameras.csv", lines), "--node", "edge-01", "--timeout", "5") == 1
    said = capsys.readouterr().err
    assert 1 <= said.count("row ") - said.count("not tried: row ") <= 24
    refused = said.count("the camera refuses this user and password") // 2  # once while it goes on, once at the end
    assert 1 <= refused <= 4
    assert said.count("not tried: row ") // 2 == 12 - refused


def test_a_table_with_a_bad_row_is_not_applied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, out = (
        write_csv(tmp_path / "cameras.csv", [("东门", "", "rtsp://10.0.0.9", "", "", "", *PLACE)]),
        tmp_path / "out",
    )
    assert run(table, "--node", "edge-01", "--out", out, "--apply") == 2
    said = capsys.readouterr()
    assert "row 2, url: expected the path of a stream behind 10.0.0.9" in said.err
    assert "try: the camera's manual names it" in said.err
    assert "nothing was written" in said.out
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--node", "Edge 1"), "--node: expected small letters, digits and hyphens"),
        (("--node", "edge-01=4"), "expected NAME=CORES,MBIT with numbers above 0"),
        (("--node", "edge-01=0,100"), "expected NAME=CORES,MBIT with numbers above 0"),
        (("--node", "edge-01", "--node", "edge-01=1,1"), '"edge-01" is named twice'),
        (("--node", "edge-01", "--set", "colour=red"), "--set: expected one of user, password, datum"),
        (("--node", "edge-01", "--set", "datum="), "--set datum: expected datum=VALUE"),
        (("--node", "edge-01", "--set", "password=canary"), "no login belongs on a command line"),
        (("--node", "edge-01", "--apply"), "--apply: expected --out DIR"),
    ],
)
def test_what_is_typed_wrongly_is_said_before_anything_is_looked_at(
    arguments: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "nowhere.csv", *arguments) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert "canary" not in printed


def test_a_table_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "nowhere.xlsx", "--node", "edge-01") == 2
    assert "nowhere.xlsx: cannot be read" in capsys.readouterr().err

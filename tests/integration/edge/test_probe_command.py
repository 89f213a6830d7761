"""`xueliang-edge probe` and `measure`, as an installer calls them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.clips import moving_box_clip
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_edge.cli import main
from xueliang_edge.measuring import fsync_spread
from xueliang_streams.rtsp_server import ClipMount, RtspServer

LOGIN = ("viewer", "canary-7")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> object:
    folder = tmp_path_factory.mktemp("clips")
    mounts = {
        "main": ClipMount(moving_box_clip(folder / "main.mp4", seconds=2, size_wh=(640, 360))),
        "sub": ClipMount(moving_box_clip(folder / "sub.mp4", seconds=2, size_wh=(320, 180))),
    }
    mounts |= {"stream1": mounts["main"], "stream2": mounts["sub"], "lonely/stream1": mounts["main"]}
    with RtspServer(mounts, wall=system_wall, login=LOGIN) as running:
        yield running


def test_words_name_the_stream_the_clock_the_sub_stream_and_the_arithmetic(
    server: RtspServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", server.url("main"), "--sub", server.url("sub")]) == 0
    said = capsys.readouterr().out
    assert "main stream: h264 640x360, 10.0 pictures a second, a key picture every 1.0 s (10 pictures)" in said
    assert "sub stream: fits (main 640x360, sub 320x180)" in said
    assert "ours (encoding and network are in it)" in said
    assert "CPU-seconds per camera-minute" in said
    assert "key pictures a minute x" in said
    assert "canary" not in said


def test_a_small_stream_at_its_usual_address_is_found(server: RtspServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", server.url("stream1")]) == 0
    said = capsys.readouterr().out
    assert "sub stream: fits (main 640x360, sub 320x180)" in said
    assert "found at rtsp://" in said
    assert "/stream2" in said
    assert "canary" not in said
    assert main(["probe", server.url("lonely/stream1")]) == 0
    printed = capsys.readouterr()
    assert "sub stream: none given" in printed.out
    assert printed.err == "", "a guess that does not open is nothing to say"


def test_swapped_addresses_are_noticed(server: RtspServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", server.url("sub"), "--sub", server.url("main"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["is_swapped"] is True
    assert told["sub_fits"] is False
    assert "exchange the two addresses" in told["sub_words"]
    assert told["main"]["size_wh"] == [320, 180]
    assert abs(told["main"]["clock_ahead_s"]) < 1
    assert told["cost"]["cpu_s_per_camera_minute"] > 0
    assert "canary" not in json.dumps(told)


@pytest.mark.parametrize(
    ("url", "status", "said"),
    [
        ("rtsp://viewer:canary-8@127.0.0.1:{port}/main", 1, "refuses this user and password"),
        ("rtsp://viewer:canary-8@127.0.0.1:1/main", 1, "nothing listens there"),
        ("http://viewer:canary-8@127.0.0.1:{port}/main", 2, "scheme must be rtsp"),
        ("viewer:canary-8@127.0.0.1/main", 2, "looks like a camera's address"),
        ("file:nowhere.mp4", 1, "no such file"),
    ],
    ids=["wrong password", "nobody there", "wrong scheme", "no scheme", "missing file"],
)
def test_refusals_are_words_without_a_password(
    url: str, status: int, said: str, server: RtspServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", url.format(port=server.port), "--timeout", "5"]) == status
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""
    assert "canary" not in printed.err


def test_sub_stream_that_does_not_open_is_said_beside_the_main_stream(
    server: RtspServer, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = server.url("sub").replace("/sub", "/nowhere")
    assert main(["probe", server.url("main"), "--sub", nowhere]) == 1
    said = capsys.readouterr()
    assert "no stream at this path (404)" in said.err
    assert said.out.startswith("h264 640x360")
    assert "sub stream: could not be opened" in said.out
    assert "canary" not in said.out + said.err


def test_measure_says_which_package_does_not_load(tmp_path: Path) -> None:
    """The command itself must come up without it."""
    (tmp_path / "av.py").write_text("raise ImportError('libavcodec.so.62: cannot open shared object file')")
    paths = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-m", "xueliang_edge.cli", "measure"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 2, done.stderr
    assert "av: ImportError: libavcodec.so.62: cannot open shared object file" in done.stderr
    assert "nothing can be measured" in done.stderr


@pytest.mark.slow
def test_measure_tells_what_limits_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measure", "--seconds", "12", "--data-dir", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["packages"].keys() >= {"av", "onnxruntime"}
    assert told["cores_usable"] > 0
    assert told["ms"]["decode_key_1080p"]["middle"] > told["ms"]["decode_key_640x360"]["middle"] > 0
    assert told["ms"]["fsync"]["middle"] > 0
    assert [one["limits_first"] for one in told["carried"]]
    assert all(one["cameras_per_core"]["low"] <= one["cameras_per_core"]["high"] for one in told["carried"])
    assert list(tmp_path.iterdir()) == []


def test_a_data_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A file where a folder should be: root writes everywhere else."""
    (tmp_path / "data").write_text("")
    spread, problem = fsync_spread(tmp_path / "data", 0.1, system_mono)
    assert spread is None
    assert str(tmp_path / "data") in problem


@pytest.mark.parametrize(
    "option", [["--seconds", "0"], ["--seconds", "nan"], ["--seconds", "soon"]], ids=lambda o: o[1]
)
def test_a_time_that_is_none_is_refused(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["measure", *option])
    assert refused.value.code == 2
    assert "expected seconds above 0" in capsys.readouterr().err

"""Packages that do not load are said, not fatal."""

from __future__ import annotations

from pathlib import Path

import pytest

from xueliang_edge.wheels import try_wheels


def test_those_of_this_environment_load() -> None:
    wheels = try_wheels()
    assert [wheel.problem for wheel in wheels] == [None] * len(wheels)
    assert all(wheel.version and wheel.version[0].isdecimal() for wheel in wheels)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import os, signal\nos.kill(os.getpid(), signal.SIGILL)", "lacks instructions"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "ends with SIGSEGV"),
        ("raise ImportError('libGL.so.1: cannot open shared object file')", "libGL.so.1"),
        (None, "is not installed"),
    ],
    ids=["older processor", "crash", "library missing", "not there"],
)
def test_each_way_to_fail_is_told(
    source: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source is not None:
        (tmp_path / "odd_wheel_of_a_test.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (wheel,) = try_wheels([("odd_wheel_of_a_test", "odd-wheel")])
    assert wheel.version is None
    assert wheel.problem is not None
    assert said in wheel.problem

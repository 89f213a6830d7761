"""What a test needs and does not find: said and skipped on a workstation, a failure in CI."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import hatch_build
from tests.e2e import test_console_build
from tests.support import brokers, browser, databases
from tests.support.fixtures import require_fixture


def _postgres(_folder: Path) -> None:
    with databases.running_postgres():
        pass


def _mosquitto(folder: Path) -> None:
    with brokers.running_broker("mosquitto", folder, node_ids=["edge-01"]):
        pass


NEEDS: dict[str, Callable[[Path], object]] = {
    "postgres": _postgres,
    "mosquitto": _mosquitto,
    "chromium": lambda _folder: browser.chromium_path(),
    "console": lambda _folder: test_console_build.console_build(),
    "clips": lambda _folder: require_fixture("clips/nowhere.mp4"),
}


@pytest.mark.parametrize("need", NEEDS.values(), ids=NEEDS)
@pytest.mark.parametrize("in_ci", [True, False], ids=["ci", "workstation"])
def test_what_is_missing_fails_in_ci_and_is_skipped_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, need: Callable[[Path], object], in_ci: bool
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_names, **_more: None)
    monkeypatch.setattr(databases, "postgres_programs", lambda: None)
    monkeypatch.setattr(hatch_build, "build_or_warn", lambda _root: False)
    monkeypatch.delenv("XUELIANG_CHROMIUM", raising=False)
    if in_ci:
        monkeypatch.setenv("CI", "true")
    else:
        monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.fail.Exception if in_ci else pytest.skip.Exception):
        need(tmp_path)

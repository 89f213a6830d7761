"""Where the shared clips, models and labelled pictures are, and what to do when they are not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def fixtures_dir() -> Path:
    """The folder of shared material: `XUELIANG_FIXTURES`, else `../shared` beside the checkout."""
    return Path(os.environ.get("XUELIANG_FIXTURES", REPOSITORY.parent / "shared"))


def leave_out(reason: str) -> NoReturn:
    """What a test needs is not here: fails in CI (`CI` set), elsewhere the test is skipped and says why."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def require_fixture(relative: str) -> Path:
    """One shared file or folder. Missing: fails in CI (`CI` set), elsewhere the test is skipped and says why."""
    path = fixtures_dir() / relative
    if path.exists():
        return path
    leave_out(
        f"shared fixture {relative} not found below {fixtures_dir()}; set XUELIANG_FIXTURES to the folder that holds it"
    )

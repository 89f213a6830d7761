"""What the documents name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.fixtures import REPOSITORY

PAGES = sorted(
    path.relative_to(REPOSITORY)
    for pattern in ("*.md", "docs/*.md", "docs/decisions/*.md", "docs/hazards/*.md", "*/README.md")
    for path in REPOSITORY.glob(pattern)
)
FOLDERS = ("edge", "central", "streams", "models", "alerts", "configs", "demo", "docs", "deploy", "tests", "locks")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_files_named_in_a_page_exist(page: Path) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    named = set(re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]+?)`", text))
    missing = [name for name in sorted(named) if not (REPOSITORY / name).exists()]
    assert not missing, f"{page} names files that are gone: {missing}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    targets = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    missing = [link for link in targets if link and not (REPOSITORY / page).parent.joinpath(link).exists()]
    assert not missing, f"{page} links to what is not there: {missing}"


# What in a test's file has to do with a size of the window.
_AT_SIZE = {
    "1366": r"\bdesk\(|as_operator\(|\.page\(|1366",
    "1920": r"1920|too_wide_at\(|crowded_at\(",
    "390": r"handset\(|\b390\b|\.page\(",
    "360": r"\b360\b|small_phone\(|SMALL\b|PHONE\b",
}


def test_flows_that_are_said_to_be_walked_are() -> None:
    rows = re.findall(
        r"^\|.*\| `(test_\w+\.py)::(test_\w+)` \| ([\d, ]+) \|$",
        (REPOSITORY / "docs/flows-tested.md").read_text(),
        re.MULTILINE,
    )
    assert len(rows) > 30
    wrong = []
    for file, test, sizes in rows:
        path = REPOSITORY / "tests/browser" / file
        text = path.read_text() if path.exists() else ""
        if f"def {test}(" not in text:
            wrong.append(f"{file}::{test} is gone")
        wrong += [f"{file}: nothing of {size}" for size in sizes.split(", ") if not re.search(_AT_SIZE[size], text)]
    assert wrong == []


def test_every_picture_stands_in_a_page() -> None:
    shown = {name for page in PAGES for name in re.findall(r"images/([\w-]+\.\w+)", (REPOSITORY / page).read_text())}
    assert {path.name for path in (REPOSITORY / "docs/images").iterdir()} - shown == set()


def test_the_path_of_an_alert_names_the_main_files() -> None:
    text = (REPOSITORY / "docs/path-of-an-alert.md").read_text(encoding="utf-8")
    assert text.count("`") > 40

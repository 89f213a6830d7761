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


def test_every_picture_stands_in_a_page() -> None:
    shown = {name for page in PAGES for name in re.findall(r"images/([\w-]+\.\w+)", (REPOSITORY / page).read_text())}
    assert {path.name for path in (REPOSITORY / "docs/images").iterdir()} - shown == set()


def test_the_path_of_an_alert_names_the_main_files() -> None:
    text = (REPOSITORY / "docs/path-of-an-alert.md").read_text(encoding="utf-8")
    assert text.count("`") > 40

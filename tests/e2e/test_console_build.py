"""The build hook: a closed-network page comes out, unchanged sources are not built twice, a failure is a warning."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from pathlib import Path

import pytest

import hatch_build
from tests.support.fixtures import leave_out

ROOT = Path(hatch_build.__file__).resolve().parent
CONSOLE = ROOT / hatch_build.CONSOLE
LARGEST_START_BYTES = 150_000  # gzip; what every page loads before it can show anything


def console_build() -> Path:
    if not hatch_build.build_or_warn(ROOT):
        leave_out("the console cannot be built here: the npm registry is out of reach")
    return ROOT / hatch_build.TARGET


@pytest.fixture(scope="module")
def built() -> Path:
    return console_build()


def small_checkout(folder: Path) -> Path:
    """The console's sources without its modules, where a checkout has them."""
    shutil.copytree(CONSOLE, folder / hatch_build.CONSOLE, ignore=shutil.ignore_patterns("node_modules"))
    (folder / hatch_build.TARGET).parent.mkdir(parents=True)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_page_runs_under_a_policy_of_scripts_from_self_only(built: Path) -> None:
    page = (built / "index.html").read_text()
    scripts = re.findall(r"<script\b([^>]*)>(.*?)</script>", page, re.DOTALL)
    assert scripts
    assert all("src=" in attributes and not body.strip() for attributes, body in scripts)
    assert not re.search(r"\son\w+=", page)
    for address in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert address.startswith("/"), f"the page reaches outside: {address}"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_every_page_loads_first_stays_small(built: Path) -> None:
    page = (built / "index.html").read_text()
    scripts = [built / name.lstrip("/") for name in re.findall(r'(?:src|href)="(/assets/[^"]+\.js)"', page)]
    size = sum(len(gzip.compress(script.read_bytes())) for script in scripts)
    assert 10_000 < size <= LARGEST_START_BYTES
    assert "leaflet" not in "".join(script.read_text() for script in scripts).lower()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_unchanged_sources_are_not_built_again(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> hatch_build.Node:
        raise AssertionError("Node was asked for")

    monkeypatch.setattr(hatch_build, "find_node", refuse)
    assert hatch_build.build(ROOT) is False
    assert hatch_build.built_from(built) == hatch_build.sources_digest(CONSOLE)


def test_any_change_of_a_source_makes_the_build_stale_and_modules_do_not(tmp_path: Path) -> None:
    console = small_checkout(tmp_path) / hatch_build.CONSOLE
    before = hatch_build.sources_digest(console)
    (console / "node_modules").mkdir()
    (console / "node_modules/left.js").write_text("1")
    assert hatch_build.sources_digest(console) == before
    (console / "src/App.vue").rename(console / "src/Other.vue")
    assert hatch_build.sources_digest(console) != before


def test_without_node_an_install_goes_on_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = small_checkout(tmp_path)
    monkeypatch.setattr(hatch_build.importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", "")
    assert hatch_build.build_or_warn(root) is False
    said = capsys.readouterr().err
    assert "console was not built" in said
    assert "python hatch_build.py" in said
    assert not (root / hatch_build.TARGET).exists()


def test_a_failed_build_leaves_the_older_console_in_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = small_checkout(tmp_path)
    target = root / hatch_build.TARGET
    target.mkdir()
    (target / "index.html").write_text("older")
    (target / hatch_build.STAMP).write_text("of other sources\n")
    (root / hatch_build.CONSOLE / "package-lock.json").write_text("{}")  # npm ci refuses it, network or not
    assert hatch_build.build_or_warn(root) is False
    assert (target / "index.html").read_text() == "older"
    assert "older console stays" in capsys.readouterr().err
    assert [entry.name for entry in target.parent.iterdir()] == [target.name]


def test_the_check_without_modules_says_what_it_leaves_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hatch_build.check(small_checkout(tmp_path)) is True
    assert "LEFT OUT: types and tests of the console" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("file", "text", "wrong"),
    [
        ("src/wrong.ts", "export const seconds: number = 'one';\n", "types"),
        ("src/wrong.test.ts", "import { test } from 'node:test';\ntest('x', () => { throw new Error(); });\n", "tests"),
    ],
    ids=["a type", "a test"],
)
def test_the_check_finds_what_is_wrong(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, text: str, wrong: str
) -> None:
    if not (CONSOLE / "node_modules").is_dir():
        pytest.skip(f"the console in {built.name} was built elsewhere: no modules here")
    console = small_checkout(tmp_path) / hatch_build.CONSOLE
    (console / "node_modules").symlink_to(CONSOLE / "node_modules")
    (console / file).write_text(text)
    assert hatch_build.check(tmp_path) is False
    assert f"console {wrong}: wrong" in capsys.readouterr().err


def test_the_lock_pins_everything_and_names_no_registry() -> None:
    lock = json.loads((CONSOLE / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert all("integrity" in entry and "resolved" not in entry for entry in packages.values())
    asked = json.loads((CONSOLE / "package.json").read_text())
    versions = [*asked["dependencies"].values(), *asked["devDependencies"].values(), *asked["overrides"].values()]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)


def test_every_locked_package_has_a_permissive_licence() -> None:
    lock = json.loads((CONSOLE / "package-lock.json").read_text())
    allowed = {"MIT", "ISC", "0BSD", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0"}
    only_tests = {"node_modules/axe-core": "MPL-2.0"}  # looked at the pages with; nothing of it is built in
    others = {name: entry["license"] for name, entry in lock["packages"].items() if name and name not in only_tests}
    assert set(others.values()) <= allowed
    for name, licence in only_tests.items():
        assert (lock["packages"][name]["license"], lock["packages"][name]["dev"]) == (licence, True)

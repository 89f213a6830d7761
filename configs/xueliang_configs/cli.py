"""xueliang-configs: check settings files before anything runs on them. Exit 0: all usable; 2: problems were printed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from xueliang_configs.errors import ConfigError, Problem
from xueliang_configs.loading import (
    load_areas,
    load_cameras,
    load_centre,
    load_lanes,
    load_node,
    load_policies,
    load_rules,
)

KINDS: Final[dict[str, Callable[[Path], object]]] = {
    "node": load_node,
    "centre": load_centre,
    "policies": load_policies,
    "cameras": load_cameras,
    "areas": load_areas,
    "lanes": load_lanes,
    "rules": load_rules,
}


def kind_of(path: Path) -> str | None:
    """What a file is, by its top keys: a word of KINDS, or None. A file of rules is one of them only when named so."""
    if path.suffix.lower() in (".geojson", ".json"):
        return "areas"
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace")[:1_000_000].splitlines()
    except OSError:
        return None
    tops = {line.partition(":")[0] for line in lines if line[:1].isalpha()}
    return next((kind for kind in ("node", "centre", "policies", "cameras", "lanes") if kind in tops), None)


def _check(path: Path, kind: str | None) -> tuple[Problem, ...]:
    chosen = kind or (kind_of(path) if path.exists() else "node")
    if chosen is None:
        hint = "name it with --kind " + "|".join(KINDS)
        return (Problem(path, "", "expected a file with node, centre, policies, cameras or lanes at the top", hint),)
    try:
        KINDS[chosen](path)
    except ConfigError as error:
        return error.problems
    return ()


def main(arguments: list[str] | None = None) -> int:
    """The command's door; returns the exit status."""
    parser = argparse.ArgumentParser(prog="xueliang-configs", description="Check settings files.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="read files and print every problem; exit 2 when there is one")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    check.add_argument("--kind", choices=tuple(KINDS), help="what the files are; else told by their content")
    chosen = parser.parse_args(arguments)
    status = 0
    for path in chosen.files:
        problems = _check(path, chosen.kind)
        for problem in problems:
            print(problem, file=sys.stderr)
        if problems:
            status = 2
        else:
            print(f"{path}: good")
    return status

"""What one edge node costs beside its peers: live RTSP cameras on loopback, CPU-seconds per camera-minute.

    ./run bench edge                        everything; the first time it makes its clips (some minutes)
    ./run bench edge --quick                five cameras, short windows; what needs longer is null
    ./run bench edge --soak 30              64 cameras for half an hour: leaks, growth, gaps

docs/performance.md says how it is measured. Every key is null when it was not measured; nothing is estimated.
"""

from __future__ import annotations

import argparse
import sys
from typing import TypeVar

from tests.bench.edge_bench.clip_cache import ClipsMissing
from tests.bench.edge_bench.page import write_page
from tests.bench.edge_bench.phases import PARTS, PEER_CAMERAS, SYSTEMS, Options, Outcome, Phases
from tests.bench.edge_bench.quick import run_quick
from tests.bench.edge_bench.report import HEADER, Figures, figures_of, machine, plain_table, rows_of
from tests.bench.edge_bench.report import KEYS as KEYS
from tests.bench.edge_bench.soak import run_soak
from tests.bench.edge_bench.systems import SystemFailed
from tests.support.fixtures import fixtures_dir

OTHER_WORK_CORES = 0.15
Name = TypeVar("Name", bound=str)
ULTRALYTICS_MODEL = "models/yolo11n_320_int8_AGPL.onnx"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench alone."""
    group = parser.add_argument_group("edge")
    group.add_argument("--cameras", type=int, metavar="N", help="cameras of the node (32; with --soak 64)")
    group.add_argument("--seconds", type=float, metavar="S", default=60.0, help="length of each window")
    group.add_argument("--rounds", type=int, metavar="R", default=2, help="windows of each headline figure")
    group.add_argument(
        "--only", type=_names, metavar="LIST", default=SYSTEMS, help=f"of {','.join(SYSTEMS)}: node and peers"
    )
    group.add_argument("--parts", type=_names, metavar="LIST", help=f"of {','.join(PARTS)}; rules: see there")
    group.add_argument("--model", default="embedded", help="ONNX file with its card beside it, for all but peer d")
    group.add_argument("--soak", type=float, metavar="MINUTES", help="only this: the node for a long time")
    group.add_argument(
        "--write-docs", action="store_true", help="write docs/performance.md and its plot; rules: docs/quality.md"
    )
    group.add_argument("--ultralytics-python", metavar="PATH", default=sys.executable, help="for peer d")


def measure(arguments: argparse.Namespace) -> Figures:
    """Every figure of the run; see the module."""
    try:
        if arguments.soak is not None:
            return dict.fromkeys(KEYS) | run_soak(arguments.soak, arguments.cameras or 64, arguments.model)
        return _measure(arguments)
    except (ClipsMissing, SystemFailed) as error:
        print(error)
        return dict.fromkeys(KEYS)


def _measure(arguments: argparse.Namespace) -> Figures:
    if arguments.quick and arguments.write_docs:
        raise SystemExit("--write-docs needs the whole run, not --quick")
    options = Options(
        cameras=arguments.cameras or 32,
        window_s=arguments.seconds,
        only=_known(arguments.only, SYSTEMS),
        parts=_known(arguments.parts or PARTS, PARTS),
        model=arguments.model,
        ultralytics_python=arguments.ultralytics_python,
        ultralytics_model=fixtures_dir() / ULTRALYTICS_MODEL,
        rounds=arguments.rounds,
    )
    phases = Phases(options)
    if arguments.quick:
        run_quick(phases, options.only)
    else:
        phases.run()
    outcome = phases.outcome
    figures = figures_of(outcome, PEER_CAMERAS if arguments.quick else options.cameras)
    print(f"\n{machine()}\n{plain_table(HEADER, rows_of(outcome.costs))}")
    warn_of_other_work(outcome)
    if arguments.write_docs:
        write_page(outcome, figures, options.cameras, "./run bench edge " + " ".join(sys.argv[2:]))
    return figures


def warn_of_other_work(outcome: Outcome) -> None:
    """Says when the machine was not the bench's own."""
    cores = max((cost.other_cores for cost in outcome.costs), default=0.0)
    if cores > OTHER_WORK_CORES:
        print(f"other work kept up to {cores:.1f} cores busy meanwhile: every figure is worse than it would be alone")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _known(names: tuple[Name, ...], known: tuple[Name, ...]) -> tuple[Name, ...]:
    """Raises SystemExit with the names there are."""
    wrong = [name for name in names if name not in known]
    if wrong:
        raise SystemExit(f"unknown: {', '.join(map(str, wrong))}; there are {', '.join(map(str, known))}")
    return names

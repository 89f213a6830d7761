"""What the rules tell of events whose truth is known: made-up scenes, rendered ones, the labelled clips.

    ./run bench rules                            everything, some minutes
    ./run bench rules --quick                    some of the made-up scenes and the cost; the rest is null
    ./run bench rules --parts pixels             of synthetic, pixels, clips, cost
    ./run bench rules --supervision-python PATH  an interpreter that has `supervision`: one of the peers

docs/quality.md says how it is measured. Every key is null when it was not measured; nothing is estimated.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final

from tests.bench.deadline import deadline, left_of_quick_s
from tests.bench.figures import Figures
from tests.bench.rules_bench import pixel_suite, suite
from tests.bench.rules_bench.clips import EMBEDDED, SECOND, judge_clips
from tests.bench.rules_bench.cost import rule_ms_per_observation
from tests.bench.rules_bench.page import write_page
from tests.bench.rules_bench.report import Results, figures_of, plain_report
from tests.bench.rules_bench.supervision_peer import NoSupervision, version_of

PARTS: Final = ("synthetic", "pixels", "clips", "cost")
QUICK_PARTS: Final = ("synthetic", "cost")
FULL_LIMIT_S: Final = 3600.0
KEYS: Final = (
    "clips_must_met",
    "clips_must_total",
    "clips_false_alerts",
    "synthetic_f1_standing",
    "synthetic_f1_crowd",
    "synthetic_f1_standing_hiding",
    "synthetic_f1_standing_noisier",
    "baseline_f1_standing",
    "baseline_f1_crowd",
    "baseline_f1_standing_hiding",
    "synthetic_false_alerts_per_hour",
    "onset_error_p95_s",
    "onset_error_crowd_p95_s",
    "pixels_f1_standing",
    "pixels_f1_crowd",
    "baseline_pixels_f1_standing",
    "backtest_7_days_s",
    "rule_ms_per_observation",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench alone; `--parts` and `--write-docs` it has in common with `edge`."""
    group = parser.add_argument_group("rules only")
    group.add_argument("--supervision-python", metavar="PATH", help="an interpreter that has `supervision`, for a peer")
    group.add_argument("--processes", type=int, metavar="N", help="at once (one a core)")


def measure(arguments: argparse.Namespace, figures: Figures) -> None:
    """Fills in what the parts give; see the module."""
    parts = arguments.parts or (QUICK_PARTS if arguments.quick else PARTS)
    wrong = [part for part in parts if part not in PARTS]
    if wrong:
        raise SystemExit(f"unknown: {', '.join(wrong)}; there are {', '.join(PARTS)}")
    if arguments.write_docs and (arguments.quick or set(parts) != set(PARTS)):
        raise SystemExit("--write-docs needs the whole run: no --quick, no --parts")
    results = Results()
    python = _supervision(arguments, results)
    with deadline(left_of_quick_s() if arguments.quick else FULL_LIMIT_S):
        if "cost" in parts:
            results.rule_ms = rule_ms_per_observation(arguments.quick)
        if "synthetic" in parts:
            _made_up(arguments, python, results)
        if "clips" in parts:
            results.clips = judge_clips(EMBEDDED)
            results.clips_second = judge_clips(SECOND, others_only=True)
        if "pixels" in parts:
            count = pixel_suite.QUICK_CASES if arguments.quick else pixel_suite.CASES
            for batch in pixel_suite.run(count, python, arguments.processes):
                results.pixels += batch
    figures |= figures_of(results)
    print(plain_report(results))
    if arguments.write_docs:
        write_page(results, figures, "./run bench rules " + " ".join(_public(sys.argv[2:])))


def _made_up(arguments: argparse.Namespace, python: str | None, results: Results) -> None:
    if arguments.quick:
        seeds, batch = suite.seeds_of(suite.QUICK_STANDING, suite.QUICK_CROWD), suite.QUICK_BATCH
    else:
        seeds, batch = suite.seeds_of(suite.STANDING_CASES, suite.CROWD_CASES), suite.BATCH
    for judged in suite.run(seeds, python, arguments.processes, batch):
        results.synthetic += judged
        print(f"{len(results.synthetic)} of {len(seeds)} made-up scenes", flush=True)


def _supervision(arguments: argparse.Namespace, results: Results) -> str | None:
    try:
        results.supervision = version_of(arguments.supervision_python)
    except NoSupervision as error:
        results.no_supervision = str(error)
        print(f"supervision is not measured: {error}")
        return None
    return str(arguments.supervision_python)


def _public(words: list[str]) -> list[str]:
    """The command without where things lie on this machine."""
    return [
        "PATH" if before in ("--supervision-python", "--json") else word
        for before, word in zip(["", *words], words, strict=False)
    ]

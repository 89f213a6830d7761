"""What the rules tell of events whose truth is known: made-up scenes, rendered ones, the labelled clips.

    ./run bench rules                            everything, some minutes
    ./run bench rules --quick                    some of the made-up scenes and the cost; the rest is null
    ./run bench rules --parts pixels             of synthetic, pixels, clips, suggest, cost, backtest
    ./run bench rules --parts pixels --cases 0:24 --kept FOLDER   in pieces: what FOLDER has is not done again
    ./run bench rules --supervision-python PATH  an interpreter that has `supervision`: one of the peers

docs/quality.md says how it is measured. Every key is null when it was not measured; nothing is estimated.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.bench import backtest
from tests.bench.deadline import deadline, left_of_quick_s
from tests.bench.figures import Figures
from tests.bench.rules_bench import pixel_suite, suggest_rendering, suggest_suite, suite
from tests.bench.rules_bench.clips import EMBEDDED, SECOND, judge_clips
from tests.bench.rules_bench.cost import calm_rule_ms_per_observation, rule_ms_per_observation
from tests.bench.rules_bench.kept import CannotKeep, Kept, made_by
from tests.bench.rules_bench.page import MAIN, can_write, write_page
from tests.bench.rules_bench.peers import Anchor
from tests.bench.rules_bench.report import Results, figures_of, plain_report
from tests.bench.rules_bench.suite import FRAMES, SUPERVISION, Judged, system_of
from tests.bench.rules_bench.supervision_peer import NoSupervision, version_of

PARTS: Final = ("synthetic", "pixels", "clips", "suggest", "cost", "backtest")
QUICK_PARTS: Final = ("synthetic", "cost")
FULL_LIMIT_S: Final = 3 * 3600.0
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
    "suggest_false_removed_share",
    "suggest_false_alarms",
    "suggest_true_lost",
    "suggest_true_alerts",
    "backtest_7_days_s",
    "rule_ms_per_observation",
    "rule_ms_per_observation_calm",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench alone; `--parts` and `--write-docs` it has in common with `edge`."""
    group = parser.add_argument_group("rules only")
    group.add_argument("--supervision-python", metavar="PATH", help="an interpreter that has `supervision`, for a peer")
    group.add_argument("--processes", type=int, metavar="N", help="at once (one a core)")
    group.add_argument("--cases", type=_span, metavar="A:B", help="of made-up and rendered scenes only A to B-1")
    group.add_argument("--kept", type=Path, metavar="FOLDER", help="scenes that are done, by this code, are kept here")


def measure(arguments: argparse.Namespace, figures: Figures) -> None:
    """Fills in what the parts give; see the module."""
    parts = arguments.parts or (QUICK_PARTS if arguments.quick else PARTS)
    wrong = [part for part in parts if part not in PARTS]
    if wrong:
        raise SystemExit(f"unknown: {', '.join(wrong)}; there are {', '.join(PARTS)}")
    if arguments.write_docs and (arguments.quick or arguments.cases or not can_write(parts)):
        asked = f"{', '.join(sorted(MAIN))} together, or only others"
        raise SystemExit(f"--write-docs needs whole sections: no --quick, no --cases, and of --parts {asked}")
    results = Results()
    python = _supervision(arguments, results)
    with deadline(left_of_quick_s() if arguments.quick else FULL_LIMIT_S):
        if "cost" in parts:
            results.rule_ms = rule_ms_per_observation(arguments.quick)
            results.rule_ms_calm = calm_rule_ms_per_observation(arguments.quick)
        if "synthetic" in parts:
            _made_up(arguments, python, results)
        if "pixels" in parts:
            _rendered(arguments, python, results)
        if "suggest" in parts:
            _suggested(arguments, results)
        if "clips" in parts:
            results.clips = judge_clips(EMBEDDED)
            results.clips_second = judge_clips(SECOND, others_only=True)
        if "backtest" in parts:
            week: Figures = {}
            backtest.measure(False, week)
            results.backtest_7_days_s = week["backtest_7_days_s"]
    figures |= figures_of(results)
    print(plain_report(results))
    if arguments.write_docs:
        write_page(results, figures, "./run bench rules " + " ".join(_public(sys.argv[2:])), parts)


def _made_up(arguments: argparse.Namespace, python: str | None, results: Results) -> None:
    if arguments.quick:
        seeds, batch = suite.seeds_of(suite.QUICK_STANDING, suite.QUICK_CROWD), suite.QUICK_BATCH
    else:
        seeds, batch = suite.seeds_of(suite.STANDING_CASES, suite.CROWD_CASES), suite.BATCH
    _judge(
        arguments, "synthetic", seeds, results.synthetic, lambda now: suite.run(now, python, arguments.processes, batch)
    )


def _rendered(arguments: argparse.Namespace, python: str | None, results: Results) -> None:
    seeds = pixel_suite.seeds_of(pixel_suite.QUICK_CASES if arguments.quick else pixel_suite.CASES)
    _judge(arguments, "pixels", seeds, results.pixels, lambda now: pixel_suite.run(now, python, arguments.processes))


def _judge(
    arguments: argparse.Namespace,
    name: str,
    seeds: Sequence[int],
    judged: list[Judged],
    run: Callable[[Sequence[int]], Iterable[list[Judged]]],
) -> None:
    """Those asked for that are not kept; then all that there is of these seeds is in `judged`."""
    kept = Kept(_folder(arguments), name)
    systems = {system_of(peer, anchor) for peer in _peers(arguments) for anchor in Anchor}
    try:
        judged += [one for seed, one in kept.read().items() if seed in set(seeds) and systems <= set(one.by)]
    except CannotKeep as error:
        raise SystemExit(str(error)) from None
    done = {one.seed for one in judged}
    asked = seeds if arguments.cases is None else seeds[slice(*arguments.cases)]
    for batch in run([seed for seed in asked if seed not in done]):
        judged += batch
        kept.add(batch)
        print(f"{name}: {len(judged)} of {len(seeds)} scenes", flush=True)


def _suggested(arguments: argparse.Namespace, results: Results) -> None:
    with TemporaryDirectory() as made:
        kept = _folder(arguments)
        folder = Path(made) if kept is None else kept / "suggest"
        for line in suggest_rendering.run(folder, suggest_suite.PLACES, suggest_suite.DAYS, arguments.processes):
            print(line, flush=True)
        results.suggested = [suggest_suite.judge_place(folder, seed) for seed in suggest_suite.PLACES]


def _folder(arguments: argparse.Namespace) -> Path | None:
    return None if arguments.kept is None else Path(arguments.kept) / made_by()


def _peers(arguments: argparse.Namespace) -> tuple[str, ...]:
    return (FRAMES, SUPERVISION) if arguments.supervision_python else (FRAMES,)


def _span(text: str) -> tuple[int, int]:
    first, _, behind = text.partition(":")
    try:
        span = int(first), int(behind)
    except ValueError:
        span = 0, 0
    if not 0 <= span[0] < span[1]:
        raise argparse.ArgumentTypeError(f'expected A:B with A below B, like 0:24, got "{text}"')
    return span


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
        "PATH" if before in ("--supervision-python", "--json", "--kept") else word
        for before, word in zip(["", *words], words, strict=False)
    ]

"""What was measured as flat keys, as a table for people, and as the page in docs/."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.bench.edge_bench.figures import cameras_per_core, percentile, ratio
from tests.bench.edge_bench.measuring import Cost
from tests.bench.edge_bench.phases import (
    KEYFRAMES,
    MAIN,
    NAIVE,
    PIPE,
    SUB,
    ULTRALYTICS,
    WATCH_SUB,
    Outcome,
)
from tests.bench.edge_bench.recall import Verdict, shares
from tests.bench.edge_bench.recipes import ONSET_CLIP
from tests.bench.edge_bench.rules import DWELL_S

Figures = dict[str, float | None]
KEYS: Final = (
    "cameras_per_core",
    "cameras_per_core_sub_stream",
    "event_recall",
    "ratio_vs_naive",
    "ratio_vs_ffmpeg_pipe",
    "ratio_vs_keyframe_pipe",
    "gap_p99_s",
    "pss_mb_per_camera",
    "mbit_per_camera",
)
_SLUGS: Final = {
    MAIN: "main",
    SUB: "sub_stream",
    WATCH_SUB: "watch_sub_stream",
    NAIVE: "naive",
    PIPE: "ffmpeg_pipe",
    KEYFRAMES: "keyframe_pipe",
    ULTRALYTICS: "ultralytics",
}


def figures_of(outcome: Outcome, cameras: int) -> Figures:
    """Every figure; None where it was not measured. `cameras`: at how many the headline was measured."""
    best = {label: outcome.best(label, cameras if label in (MAIN, SUB) else None) for label in _SLUGS}
    spent = {label: None if cost is None else cost.cpu_s_per_camera_minute for label, cost in best.items()}
    main = best[MAIN]
    figures: Figures = dict.fromkeys(KEYS)
    figures |= {
        "cameras_per_core": cameras_per_core(spent[MAIN]),
        "cameras_per_core_sub_stream": cameras_per_core(spent[SUB]),
        "cameras_per_core_watch_sub_stream": cameras_per_core(spent[WATCH_SUB]),
        "ratio_vs_naive": ratio(spent[NAIVE], spent[MAIN]),
        "ratio_vs_ffmpeg_pipe": ratio(spent[PIPE], spent[MAIN]),
        "ratio_vs_keyframe_pipe": ratio(spent[KEYFRAMES], spent[MAIN]),
        "ratio_vs_ultralytics": ratio(spent[ULTRALYTICS], spent[MAIN]),
        "gap_p50_s": main.gap_p50_s if main else None,
        "gap_p99_s": main.gap_p99_s if main else None,
        "detect_ms": main.detect_ms if main else None,
        "pss_mb_per_camera": _pss_per_camera(outcome),
        "mbit_per_camera": main.mbit_per_camera if main else None,
        "server_cpu_s_per_camera_minute": main.server_cpu_s if main else None,
        "server_late_p99_ms": main.server_late_p99_ms if main else None,
        "other_work_cores": max((cost.other_cores for cost in outcome.costs), default=None),
    }
    figures |= {f"cpu_s_per_camera_minute_{slug}": spent[label] for label, slug in _SLUGS.items()}
    for cost in outcome.costs:
        is_other = cost.label not in _SLUGS or (cost.label in (MAIN, SUB) and cost.cameras != cameras)
        if is_other and cost.is_steady is not False:
            figures[f"cpu_s_per_camera_minute_{_slug(cost)}"] = cost.cpu_s_per_camera_minute
    for key, verdict in outcome.verdicts.items():
        figures |= _recall(verdict, outcome.naive_found, key)
    return figures


def _slug(cost: Cost) -> str:
    name = cost.label.replace("node, ", "").replace(" stream", "").replace(", ", "_").replace(" ", "_")
    return f"{name}_at_{cost.cameras}"


def _pss_per_camera(outcome: Outcome) -> float | None:
    """What one more camera adds: from one camera to the most that were measured, so that models do not count."""
    rows = sorted((cost for cost in outcome.costs if cost.label == MAIN), key=lambda cost: cost.cameras)
    if len({cost.cameras for cost in rows}) < 2 or rows[0].cameras != 1:
        return None
    few, many = rows[0], rows[-1]
    return (many.held.pss_mb - few.held.pss_mb) / (many.cameras - few.cameras)


def _recall(verdict: Verdict, naive_found: Mapping[str, set[int]], key: str) -> Figures:
    recorded = verdict.found(one for one in verdict.onsets if one.scene == ONSET_CLIP.name)
    verdict = replace(verdict, onsets=[one for one in verdict.onsets if one.scene != ONSET_CLIP.name])
    seen_by_naive = [one for one in verdict.onsets if one.number in naive_found.get(one.scene, ())]
    against_naive = shares(*verdict.found(seen_by_naive))
    against_truth = shares(*verdict.found(verdict.onsets))
    naive = shares(len(seen_by_naive), len(verdict.onsets))
    delays = [verdict.delays_s[one] for one in verdict.onsets if one in verdict.delays_s]
    after_dwell = [delay - DWELL_S for delay in delays]
    return {
        f"event_recall{key}": against_naive[0],
        f"event_recall_low{key}": against_naive[1],
        f"event_recall_high{key}": against_naive[2],
        f"event_recall_of_truth{key}": against_truth[0],
        f"event_recall_of_truth_low{key}": against_truth[1],
        f"event_recall_of_truth_high{key}": against_truth[2],
        f"event_recall_of_truth_naive{key}": naive[0],
        f"event_recall_of_recorded{key}": shares(*recorded)[0],
        f"onsets_recorded_count{key}": float(recorded[1]),
        f"onsets_count{key}": float(len(verdict.onsets)),
        f"false_alerts_count{key}": float(verdict.false_alerts),
        f"alert_delay_p50_s{key}": percentile(delays, 0.5),
        f"alert_delay_max_s{key}": max(delays, default=None),
        f"alert_delay_after_dwell_max_s{key}": max(after_dwell, default=None),
    }


HEADER: Final = (
    "system",
    "cameras (busy)",
    "CPU-s per camera-minute",
    "cameras per core",
    "PSS MB",
    "Mbit/s per camera",
    "pictures, detections/s per camera",
    "gap p50 / p99 s",
    "detection ms; given up",
    "server CPU-s per camera-minute",
)


def rows_of(costs: Sequence[Cost]) -> list[tuple[str, ...]]:
    """One row a window, as text."""
    return [
        (
            cost.label + ("" if cost.is_steady is not False else " (not steady)"),
            f"{cost.cameras} ({cost.busy})",
            f"{cost.cpu_s_per_camera_minute:.2f}",
            f"{cost.cameras_per_core:.1f}",
            f"{cost.held.pss_mb:.0f}",
            f"{cost.mbit_per_camera:.2f}",
            _work(cost),
            _gaps(cost),
            "" if cost.detect_ms is None else f"{cost.detect_ms:.1f}; {cost.given_up or 'nothing'}",
            f"{cost.server_cpu_s:.3f}",
        )
        for cost in costs
    ]


def _work(cost: Cost) -> str:
    if cost.pictures_per_s is None or cost.detections_per_s is None:
        return ""
    return f"{cost.pictures_per_s:.1f}, {cost.detections_per_s:.2f}"


def _gaps(cost: Cost) -> str:
    if cost.gap_p50_s is None or cost.gap_p99_s is None:
        return ""
    return f"{'' if cost.are_gaps_exact else '≤ '}{cost.gap_p50_s:.2f} / {cost.gap_p99_s:.2f}"


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their longest text; the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    )


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same for docs/."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def machine() -> str:
    """What it was measured on, in words."""
    name = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        models = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    return (
        f"{name}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )

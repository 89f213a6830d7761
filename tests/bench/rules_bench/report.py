"""The tables and figures of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.bench.edge_bench.report import plain_table
from tests.bench.figures import Figures
from tests.bench.rules_bench.cases import HIDING, NOISIER
from tests.bench.rules_bench.clips import ClipCase
from tests.bench.rules_bench.counting import Score, score_of
from tests.bench.rules_bench.suite import FRAMES, OURS, SUPERVISION, Judged, only

NAMES: Final = {OURS: "ours", FRAMES: "frames per track", SUPERVISION: "supervision"}
HEADER: Final = (
    "what",
    "system",
    "cases",
    "events",
    "precision",
    "recall",
    "F1",
    "onset error p95, s",
    "false alerts / hours",
)
Wanted = Callable[[Judged], bool]


@dataclass(slots=True)
class Results:
    """What a run has measured so far."""

    synthetic: list[Judged] = field(default_factory=list)
    pixels: list[Judged] = field(default_factory=list)
    clips: list[ClipCase] | None = None
    clips_second: list[ClipCase] | None = None
    rule_ms: float | None = None
    supervision: str | None = None
    no_supervision: str = ""


def is_crowd(one: Judged) -> bool:
    return one.hazard == "crowd"


def is_noisier(one: Judged) -> bool:
    """With more noise than was measured."""
    return one.disturbance in NOISIER


def is_standing(one: Judged) -> bool:
    """By the noise that was measured."""
    return not is_crowd(one) and not is_noisier(one)


def is_hiding(one: Judged) -> bool:
    """Standing, with tracks that break."""
    return is_standing(one) and one.disturbance in (*HIDING, "vehicle in front")


def figures_of(results: Results) -> Figures:
    """By key; null for what was not measured."""
    synthetic, pixels = results.synthetic, results.pixels
    ours = [one.by[OURS] for one in synthetic if not is_noisier(one)]
    hours = sum(one.hours for one in ours)
    must = [one for one in results.clips or () if one.is_must]
    has_clips = results.clips is not None
    return {
        "clips_must_met": float(sum(not one.problems for one in must)) if has_clips else None,
        "clips_must_total": float(len(must)) if has_clips else None,
        "clips_false_alerts": float(sum(one.false for one in results.clips or ())) if has_clips else None,
        "synthetic_f1_standing": _f1(synthetic, is_standing, OURS),
        "synthetic_f1_crowd": _f1(synthetic, is_crowd, OURS),
        "synthetic_f1_standing_noisier": _f1(synthetic, is_noisier, OURS),
        "synthetic_f1_standing_hiding": _f1(synthetic, is_hiding, OURS),
        "baseline_f1_standing": _best(synthetic, is_standing),
        "baseline_f1_crowd": _best(synthetic, is_crowd),
        "baseline_f1_standing_hiding": _best(synthetic, is_hiding),
        "synthetic_false_alerts_per_hour": sum(one.false for one in ours) / hours if hours else None,
        "onset_error_p95_s": score_of(only(synthetic, is_standing, OURS)).onset_p95_s,
        "onset_error_crowd_p95_s": score_of(only(synthetic, is_crowd, OURS)).onset_p95_s,
        "pixels_f1_standing": _f1(pixels, is_standing, OURS),
        "pixels_f1_crowd": _f1(pixels, is_crowd, OURS),
        "baseline_pixels_f1_standing": _best(pixels, is_standing),
        "backtest_7_days_s": None,
        "rule_ms_per_observation": results.rule_ms,
    }


def _f1(judged: Sequence[Judged], wanted: Wanted, system: str) -> float | None:
    return score_of(only(judged, wanted, system)).f1


def _best(judged: Sequence[Judged], wanted: Wanted) -> float | None:
    """Of the peers that were measured."""
    found = [_f1(judged, wanted, system) for system in (FRAMES, SUPERVISION)]
    return max((one for one in found if one is not None), default=None)


def rows_of(label: str, judged: Sequence[Judged], systems: Sequence[str] = tuple(NAMES)) -> list[tuple[str, ...]]:
    """A row for each system; a peer that was not measured says so."""
    rows = []
    for system in systems:
        outcomes = only(judged, lambda _: True, system)
        if not outcomes:
            rows.append((label, NAMES[system], str(len(judged)), "", *["not measured"] * 5))
            continue
        rows.append((label, NAMES[system], *_cells(score_of(outcomes))))
    return rows


def _cells(score: Score) -> tuple[str, ...]:
    return (
        str(score.cases),
        str(score.events),
        _share(score.precision, score.precision_band),
        _share(score.recall, score.recall_band),
        _share(score.f1, score.f1_band),
        "–" if score.onset_p95_s is None else f"{score.onset_p95_s:.2f}",
        f"{score.false} / {score.hours:.1f}",
    )


def _share(value: float | None, band: tuple[float, float]) -> str:
    return "–" if value is None else f"{value:.3f} ({band[0]:.3f}–{band[1]:.3f})"


def groups(judged: Sequence[Judged], key: Callable[[Judged], str]) -> dict[str, list[Judged]]:
    """In the order of the keys."""
    found: dict[str, list[Judged]] = {}
    for one in judged:
        found.setdefault(key(one), []).append(one)
    return dict(sorted(found.items()))


def hazard_rows(judged: Sequence[Judged]) -> list[tuple[str, ...]]:
    """Each hazard, all that stands, what stands while tracks break; apart from these, what is noisier than measured."""
    measured, noisier = [one for one in judged if not is_noisier(one)], [one for one in judged if is_noisier(one)]
    parts = [*groups(measured, lambda one: one.hazard).items()]
    parts.append(("all that stands", [one for one in judged if is_standing(one)]))
    parts.append(("… under id switches and occlusion", [one for one in judged if is_hiding(one)]))
    parts.append(("noisier than measured", noisier))
    return [row for label, part in parts if part for row in rows_of(label, part)]


def detail_rows(judged: Sequence[Judged], key: Callable[[Judged], str]) -> list[tuple[str, ...]]:
    """Ours alone, by what happens or what makes it hard."""
    return [row for label, part in groups(judged, key).items() for row in rows_of(label, part, (OURS,))]


def onset_rows(judged: Sequence[Judged]) -> list[tuple[str, ...]]:
    """By the gap between looks, beside what is asked for: half a gap and a second."""
    rows = []
    for gap, part in groups(judged, lambda one: f"{one.gap_s:g}").items():
        score = score_of(one.by[OURS] for one in part)
        if score.onset_p95_s is not None:
            rows.append((gap, str(score.hits), f"{score.onset_p95_s:.2f}", f"{float(gap) / 2 + 1:.2f}"))
    return rows


def failures(judged: Sequence[Judged]) -> list[str]:
    """Every case of ours that is not as the truth says, by seed."""
    lines = []
    for one in sorted(judged, key=lambda item: item.seed):
        mine = one.by[OURS]
        if mine.false or mine.missed:
            lines.append(
                f"{one.seed} {one.hazard}, {one.plot}, {one.disturbance}, a look every {one.gap_s:g} s: "
                f"{mine.missed} missed, {mine.false} false"
            )
    return lines


def plain_report(results: Results) -> str:
    """For a terminal."""
    parts = []
    for title, judged in (("made-up scenes", results.synthetic), ("rendered scenes", results.pixels)):
        if judged:
            parts += [f"\n{title}", plain_table(HEADER, hazard_rows(judged))]
            parts += ["\n".join(("not as the truth says:", *failures(judged)[:40]))]
    for clips in (results.clips, results.clips_second):
        if clips:
            parts += ["", *clip_lines(clips)]
    return "\n".join(parts)


def clip_lines(clips: Sequence[ClipCase]) -> list[str]:
    must = [one for one in clips if one.is_must]
    detector = next((one.detector for one in clips if one.hazard != "fire_smoke"), "")
    met = sum(not one.problems for one in must)
    lines = [
        f"clips with {detector}: {met} of {len(must)} that must be met, {sum(one.false for one in clips)} false alerts"
    ]
    wrong = [one for one in clips if one.problems]
    return lines + [
        f"  {one.case_id} ({'must' if one.is_must else 'stretch'}): {'; '.join(one.problems)}" for one in wrong
    ]

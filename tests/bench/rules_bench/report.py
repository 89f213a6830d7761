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
from tests.bench.rules_bench.peers import Anchor
from tests.bench.rules_bench.suggest_suite import Suggested
from tests.bench.rules_bench.suite import FRAMES, OURS, SUPERVISION, Judged, only, system_of

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
    suggested: list[Suggested] = field(default_factory=list)
    clips: list[ClipCase] | None = None
    clips_second: list[ClipCase] | None = None
    rule_ms: float | None = None
    rule_ms_calm: float | None = None
    backtest_7_days_s: float | None = None
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
        **_suggested(results.suggested),
        "backtest_7_days_s": results.backtest_7_days_s,
        "rule_ms_per_observation": results.rule_ms,
        "rule_ms_per_observation_calm": results.rule_ms_calm,
    }


def _suggested(places: Sequence[Suggested]) -> Figures:
    """Of the days that no search has seen, all places together."""
    false, true = sum(one.false_before for one in places), sum(one.true_before for one in places)
    return {
        "suggest_false_removed_share": 1 - sum(one.false_after for one in places) / false if false else None,
        "suggest_false_alarms": float(false) if places else None,
        "suggest_true_lost": float(sum(one.true_lost for one in places)) if places else None,
        "suggest_true_alerts": float(true) if places else None,
    }


def _f1(judged: Sequence[Judged], wanted: Wanted, system: str) -> float | None:
    return score_of(only(judged, wanted, system)).f1


def _best(judged: Sequence[Judged], wanted: Wanted) -> float | None:
    """Of the peers that were measured, each with the anchor that suits it better here."""
    found = [_f1(judged, wanted, system_of(peer, anchor)) for peer in (FRAMES, SUPERVISION) for anchor in Anchor]
    return max((one for one in found if one is not None), default=None)


def rows_of(label: str, judged: Sequence[Judged], systems: Sequence[str] = tuple(NAMES)) -> list[tuple[str, ...]]:
    """A row for each system; a peer that was not measured says so."""
    rows = []
    for system in systems:
        name, score = _as_told(judged, system)
        if not score.cases:
            rows.append((label, name, str(len(judged)), "", *["not measured"] * 5))
            continue
        rows.append((label, name, *_cells(score)))
    return rows


def _as_told(judged: Sequence[Judged], system: str) -> tuple[str, Score]:
    """A system by its name; a peer with the anchor that suits it better here."""
    if system == OURS:
        return NAMES[system], score_of(only(judged, lambda _: True, system))
    scores = {anchor: score_of(only(judged, lambda _: True, system_of(system, anchor))) for anchor in Anchor}
    best = max(Anchor, key=lambda anchor: scores[anchor].f1 or 0.0)
    return f"{NAMES[system]}, {best.value}" if scores[best].cases else NAMES[system], scores[best]


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
    rows: list[tuple[str, ...]] = []
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
            kinds = detail_rows(judged, lambda one: f"{'crowd' if is_crowd(one) else 'stands'}: {one.disturbance}")
            parts += [f"\n{title}, by what makes it hard", plain_table(HEADER, kinds)]
            parts += ["\n".join(("not as the truth says:", *failures(judged)[:40]))]
    if results.suggested:
        parts += ["\nsuggestions on rendered days", plain_table(SUGGESTED_HEADER, suggested_rows(results.suggested))]
        parts += suggested_lines(results.suggested)
    for clips in (results.clips, results.clips_second):
        if clips:
            parts += ["", *clip_lines(clips)]
    return "\n".join(parts)


SUGGESTED_HEADER: Final = (
    "place",
    "cause of the false alarm",
    "held-out days: before",
    "after",
)


def suggested_rows(places: Sequence[Suggested]) -> list[tuple[str, ...]]:
    """Each cause, then all false alarms and the true ones of a place."""
    rows: list[tuple[str, ...]] = []
    for one in places:
        name = f"{one.hazard} {one.seed}"
        rows += [(name, cause, str(count), str(one.after.get(cause, 0))) for cause, count in sorted(one.before.items())]
        rows += [
            (name, cause, "0", str(count)) for cause, count in sorted(one.after.items()) if cause not in one.before
        ]
        rows.append((name, "all false alarms", str(one.false_before), str(one.false_after)))
        rows.append((name, "(true alerts)", str(one.true_before), str(one.true_before - one.true_lost)))
    return rows


def suggested_lines(places: Sequence[Suggested]) -> list[str]:
    """What was proposed first, and what the search itself said of it."""
    return [
        f"{one.hazard} {one.seed}: {one.words or 'nothing'}. Gone on the days searched: {one.searched[0]} of "
        f"{one.searched[1]}, on the days that check {one.checked[0]} of {one.checked[1]}; true ones lost there: "
        f"{one.lost_known}; raised up to {one.later_s:.0f} s later."
        for one in places
    ]


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

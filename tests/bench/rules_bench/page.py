"""Writes docs/quality.md from a run of the bench: whole, or the sections of the parts that ran."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.bench.edge_bench.report import machine, markdown_table
from tests.bench.rules_bench.noise import KindNoise, NoiseModel
from tests.bench.rules_bench.report import (
    HEADER,
    SUGGESTED_HEADER,
    Results,
    clip_lines,
    detail_rows,
    failures,
    hazard_rows,
    is_crowd,
    is_noisier,
    is_standing,
    onset_rows,
    suggested_lines,
    suggested_rows,
)
from tests.bench.rules_bench.suggest_suite import Suggested
from tests.bench.rules_bench.suite import Judged

PAGE: Final = Path("docs/quality.md")
MAIN: Final = frozenset({"synthetic", "clips", "cost", "backtest"})
"""The parts of the first section; each other part has a section of its own."""
MARKS: Final = {
    "main": ("<!-- ./run bench rules --write-docs writes from here -->", "<!-- to here -->"),
    "pixels": ("<!-- --parts pixels --write-docs writes from here -->", "<!-- pixels to here -->"),
    "suggest": ("<!-- --parts suggest --write-docs writes from here -->", "<!-- suggest to here -->"),
}
LISTED: Final = 30
Asked = tuple[str, str, float, bool]
ASKED: Final[tuple[Asked, ...]] = (
    ("synthetic_f1_standing", "F1 of standing and obstruction, made-up scenes", 0.98, True),
    ("synthetic_f1_crowd", "F1 of crowds, made-up scenes", 0.98, True),
    ("rule_ms_per_observation", "CPU milliseconds for an observation and five rules, busy street", 0.2, False),
    ("rule_ms_per_observation_calm", "the same, calm street with parked cars", 0.2, False),
)
"""Key, words, what is asked for, and whether more is better."""
ASKED_OF_SUGGESTIONS: Final[tuple[Asked, ...]] = (
    ("suggest_false_removed_share", "false alarms that suggestions remove on days no search has seen", 0.5, True),
    ("suggest_true_lost", "true alerts that they lose there", 0.0, False),
)
AHEAD: Final = 0.15  # of the best peer's F1, under id switches and occlusion
_NOTHING_YET: Final = "\n\n".join(f"{begin}\n{end}" for begin, end in MARKS.values())
_INTRODUCTION: Final = f"""# How well events are told

An **event** is what a rule is there to tell: a vehicle that stands in a lane for longer than the dwell, people who
are more than the count for longer than the dwell. Each scene below has an exact truth: since when it held, and until
when. An alert is right when the onset it states lies within 10 s of a true one, one alert for one event; any other
alert is false, any other event missed. Precision and recall have Wilson intervals of 95 %, F1 a bootstrap over
scenes. The onset error is the distance between the onset stated and the true one, of the alerts that are right.

**Made-up scenes** are boxes, not pictures: things on exact paths, which a model of the detector's noise turns into
detections (misses in bursts, weak and unsteady scores, jitter, car called truck, boxes twice, boxes of nothing), with
the change grid under them. The tracker, the log's encoding and the rule are the product's. The noise is measured on
the labelled clips; vehicles are missed as often as people are, because the three that stand in the clips are never
missed. *Faint* and *often lost* are guesses, worse than anything in the clips: their scenes are counted apart, as
*noisier than measured*. What no look could tell apart is not drawn: stands within two looks and a second of the
dwell, things half in the zone, what a bus hides to its end, crowds of which the detector sees the count at fewer than
nineteen looks of twenty. The pace of the looks is half a second to four seconds; the rules ask for two at most.

**Rendered scenes** are pictures of drawn streets and squares, day to night, 640x360, which go through the change
test, the detector in the box, the tracker and the rule. They have neither the encoding of a camera nor the richness
of a real street.

**The labelled clips** are real and few: 40 cases with zone, settings and time windows.

**Suggestions** are what `xueliang-edge backtest --suggest` proposes. Three rendered places (two lanes, a square) are
watched for six days and, a week later, four more, on which false alarms of a few causes come again, true hazards come
at other times, and every third day something comes that looks like a true one and is none. In the second lane goods
that the detector has no name for are put down on most days, so that `any_object` is needed there. Rendered are the
minutes around each event, four to six stretches a day, each look into an observation log; between them the log has
gaps. Alerts of the six days are judged by the truth; the search finds its proposals on every other one of these days
and checks them on the rest. The first proposal is taken, and counted on the four days, which no search has seen.

Seeds and streets are others than those the detector was trained on. **Peers** see the same detections. *Frames per
track* counts the frames in which a track is in the polygon; *supervision* is that library's ByteTrack, PolygonZone and
a clock per track. To their advantage an alert of theirs is the zone's, not each track's, and each is told of with the
point of a box (centre, or feet: the middle of its lower edge) with which it does better in that row.

{_NOTHING_YET}
"""


def can_write(parts: Collection[str]) -> bool:
    """The parts fill whole sections."""
    return set(parts) >= MAIN or not MAIN & set(parts)


def write_page(results: Results, figures: Mapping[str, float | None], command: str, parts: Collection[str]) -> None:
    """Replaces the sections of these parts; the rest of the page is kept. Raises ValueError where a mark is missing."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else _INTRODUCTION
    for name, (begin, end) in MARKS.items():
        if name in parts or (name == "main" and set(parts) >= MAIN):
            before, found_begin, rest = text.partition(begin)
            _, found_end, after = rest.partition(end)
            if not (found_begin and found_end):
                raise ValueError(f"{PAGE}: expected the lines {begin} and {end}; put them where the section belongs")
            text = f"{before}{begin}\n\n{section(name, results, figures, command)}\n{end}{after}"
    PAGE.write_text(text, encoding="utf-8")


def section(name: str, results: Results, figures: Mapping[str, float | None], command: str) -> str:
    """What is between the marks."""
    peer = (
        f"`supervision` {results.supervision}"
        if results.supervision
        else f"without supervision: {results.no_supervision}"
    )
    by = f"`{command.strip()}` on {datetime.now(UTC).date()}, {machine()}"
    if name == "pixels":
        return "\n\n".join([*_suite("Rendered scenes", results.pixels), f"By {by}; {peer}."])
    if name == "suggest":
        return "\n\n".join([_suggestions(results.suggested, figures), f"By {by}."])
    values = [
        (key, "not measured" if value is None else f"{value:.4g}")
        for key, value in figures.items()
        if not any(word in key for word in ("pixels", "suggest"))
    ]
    return "\n\n".join(
        [
            f"{by}; {peer}.",
            markdown_table(("figure", "value"), values),
            "## Beside what was asked for\n\n"
            + "\n".join(f"- {line}" for line in verdicts(figures, results.synthetic)),
            *_suite("Made-up scenes", results.synthetic),
            _noise_words(NoiseModel.read()),
            "## The labelled clips\n\n```\n" + "\n".join(_clips(results)) + "\n```\n",
        ]
    )


def verdicts(figures: Mapping[str, float | None], synthetic: Sequence[Judged]) -> list[str]:
    """Reached, not reached, not measured: in words, with both figures."""
    lines = _beside(figures, ASKED)
    for words, wanted in (("things that stand", is_standing), ("crowds", is_crowd)):
        for gap, hits, error, asked_s in onset_rows([one for one in synthetic if wanted(one)]):
            reached = float(error) <= float(asked_s)
            text = f"onset error p95 of {words}, a look every {gap} s: {error} s of {hits} alerts"
            lines.append(f"{text}, asked for ≤ {asked_s} s: {_reached(reached)}")
    ours, peer = figures["synthetic_f1_standing_hiding"], figures["baseline_f1_standing_hiding"]
    if ours is not None and peer is not None:
        words = f"F1 {ours:.3f} against {peer:.3f} of the best peer, {ours - peer:+.3f}"
        lines.append(
            f"under id switches and occlusion: {words}, asked for +{AHEAD:g}: {_reached(ours - peer >= AHEAD)}"
        )
    return lines


def _beside(figures: Mapping[str, float | None], every: Sequence[Asked]) -> list[str]:
    lines = []
    for key, words, asked, is_more in every:
        value = figures[key]
        sign = "≥" if is_more else "≤"
        if value is None:
            lines.append(f"{words}: not measured (asked for {sign} {asked:g})")
        else:
            reached = value >= asked if is_more else value <= asked
            lines.append(f"{words}: {value:.3f}, asked for {sign} {asked:g}: {_reached(reached)}")
    return lines


def _reached(is_reached: bool) -> str:
    return "reached" if is_reached else "**not reached**"


def _suite(title: str, judged: Sequence[Judged]) -> list[str]:
    if not judged:
        return [f"## {title}\n\nNot measured."]
    standing, crowds = [one for one in judged if not is_crowd(one)], [one for one in judged if is_crowd(one)]
    parts = [f"## {title}\n\n{markdown_table(HEADER, hazard_rows(judged))}"]
    for name, part in (("What stands", standing), ("Crowds", crowds)):
        usual = [one for one in part if not is_noisier(one)]
        table = markdown_table(HEADER, detail_rows(usual, lambda one: one.plot))
        parts.append(f"### {name}: by what happens\n\n{table}")
        table = markdown_table(HEADER, detail_rows(part, lambda one: one.disturbance))
        parts.append(f"### {name}: by what makes it hard\n\n{table}")
    wrong = failures(judged)
    more = f"\n… and {len(wrong) - LISTED} more" if len(wrong) > LISTED else ""
    listed = "\n".join(wrong[:LISTED])
    parts.append(f"### Not as the truth says, by seed: {len(wrong)} of {len(judged)}\n\n```\n{listed}{more}\n```")
    return parts


def _suggestions(places: Sequence[Suggested], figures: Mapping[str, float | None]) -> str:
    if not places:
        return "## Suggestions\n\nNot measured."
    lines = [*_beside(figures, ASKED_OF_SUGGESTIONS), *suggested_lines(places)]
    table = markdown_table(SUGGESTED_HEADER, suggested_rows(places))
    return f"## Suggestions\n\n{table}\n\n" + "\n".join(f"- {line}" for line in lines)


def _noise_words(noise: NoiseModel) -> str:
    rows = [
        (name, *(f"{value:g}" for value in _values(kind)))
        for name, kind in (("people", noise.people), ("vehicles", noise.vehicles))
    ]
    header = (
        "kind",
        "found",
        "a miss lasts, s",
        "score",
        "± between",
        "± within",
        "edge jitter",
        "other name",
        "twice",
    )
    return (
        f"### The noise\n\nFrom {noise.source}. A look has {noise.weak_false:g} weak boxes of nothing and "
        f"{noise.sure_false:g} that are believed (from {noise.confident_score:g} up). Jitter is that of the edges "
        f"against the label, whose own error is in it.\n\n{markdown_table(header, rows)}"
    )


def _values(kind: KindNoise) -> tuple[float, ...]:
    return (
        kind.found_share,
        kind.missed_for_s,
        kind.score_mean,
        kind.score_between,
        kind.score_within,
        kind.edge_jitter,
        kind.flip_share,
        kind.double_share,
    )


def _clips(results: Results) -> list[str]:
    lines = [line for clips in (results.clips, results.clips_second) if clips for line in clip_lines(clips)]
    return lines or ["not measured: the clips are not on this machine"]

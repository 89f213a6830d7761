"""Writes docs/performance.md and its plot from one run of the bench."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.bench.edge_bench.phases import KEYFRAMES, MAIN, NAIVE, PIPE, SUB, ULTRALYTICS, Outcome
from tests.bench.edge_bench.plot import draw
from tests.bench.edge_bench.report import HEADER, machine, markdown_table, rows_of

PAGE: Final = Path("docs/performance.md")
PLOT: Final = Path("docs/images/edge-cost.png")
BEGIN: Final = "<!-- ./run bench edge --write-docs writes from here -->"
END: Final = "<!-- to here -->"
_INTRODUCTION: Final = f"""# What an edge node costs

Live RTSP cameras on loopback: the shared test recordings and drawn scenes, 1080p25 H.264 with a key picture every two
seconds, about 4 Mbit/s, with a 640×360 sub stream. One camera in five is busy: something moves in its zone all the
time. In the zones of the four others nothing moves; rows named *all lively* have things passing in or beside every
zone, *all busy* in every zone all the time. Every camera carries an obstruction, a crowd and a
camera-fault rule and is to be looked at every 4 s.

CPU is user + system of every process of the system, per camera and minute; cameras per core = 60 / that. The stream
server, the broker and the receiving end run beside it and are not counted. All systems use the same model file on one
thread and see the same pictures on the same machine in the same run; of several windows the cheapest counts, for all
alike, and none in which a system did not keep
up or still caught up. The peers are written for this bench after what is common:

- (a) OpenCV decodes every picture, the detector looks at five a second.
- (b) one ffmpeg per camera pipes five 640-pixel pictures a second, the detector looks at those with motion.
- (c) one ffmpeg per camera pipes key pictures only, the detector looks as often as our node.
- (d) Ultralytics' `model.track(stream=True)` with another model, yolo11n at 320 pixels, where it is installed.

Recall: vehicles that come to stand in a drawn lane for 19 s, at random phases of key pictures and looks, dwell 6 s.
`event_recall` is the share of those found by (a), which ran on the same clips, that the node raised an alert for, with
an exact (Clopper–Pearson) 95 % interval. Gaps are between two looks at a camera.

{BEGIN}
{END}
"""


def write_page(outcome: Outcome, figures: Mapping[str, float | None], cameras: int, command: str) -> None:
    """Replaces what is between the marks; the rest of the page is kept. `cameras`: of the headline figures."""
    text = PAGE.read_text() if PAGE.exists() else _INTRODUCTION
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    draw(PLOT, bars_of(outcome, cameras), growth_of(outcome))
    PAGE.write_text(f"{before}{BEGIN}\n\n{_measured(outcome, figures, command)}\n{END}{after}")


def bars_of(outcome: Outcome, cameras: int) -> list[tuple[str, float]]:
    """Label and CPU-seconds per camera-minute of each system, dearest first."""
    costs = [outcome.best(label) for label in (NAIVE, PIPE, KEYFRAMES, ULTRALYTICS)]
    costs += [outcome.best(label, cameras) for label in (MAIN, SUB)]
    found = [(cost.label, cost.cpu_s_per_camera_minute) for cost in costs if cost is not None]
    return sorted(found, key=lambda bar: -bar[1])


def growth_of(outcome: Outcome) -> list[tuple[int, float]]:
    """Cameras and CPU-seconds per camera-minute of the node on main streams."""
    counts = sorted({cost.cameras for cost in outcome.costs if cost.label == MAIN})
    rows = [outcome.best(MAIN, count) for count in counts]
    return [(row.cameras, row.cpu_s_per_camera_minute) for row in rows if row is not None]


def _measured(outcome: Outcome, figures: Mapping[str, float | None], command: str) -> str:
    rows = [(key, "not measured" if value is None else f"{value:.4g}") for key, value in figures.items()]
    notes = "".join(f"- Not measured: {note}\n" for note in outcome.notes)
    return (
        f"`{command}` on {datetime.now(UTC).date()}, {machine()}.\n\n"
        f"![CPU-seconds per camera-minute](images/{PLOT.name})\n\n"
        f"{markdown_table(HEADER, rows_of(outcome.costs))}\n\n"
        f"{markdown_table(('figure', 'value'), rows)}\n{notes and chr(10) + notes}"
    )

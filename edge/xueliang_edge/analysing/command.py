"""`xueliang-edge analyse CLIP --config node.yaml [--camera ID] [--out DIR]`: what it takes and prints.

What needs a compiled package is imported when it is called, as in `commands.py`.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_configs.loading import load_node
from xueliang_edge.commands import Commands

if TYPE_CHECKING:
    from xueliang_configs.node import NodeConfig
    from xueliang_edge.analysing.analysis import Analysed, Asked
    from xueliang_edge.analysing.told import ToldAlert
    from xueliang_edge.analysing.whole_files import WholeFiles

ALERTS: Final = "alerts.jsonl"
TIMELINE: Final = "timeline.png"
CLIP: Final = "annotated.mp4"


def add_analyse(commands: Commands[argparse.ArgumentParser]) -> None:
    """`analyse CLIP --config node.yaml [--camera ID] [--out DIR] [--at MOMENT] [--no-clip]`"""
    what = commands.add_parser(
        "analyse",
        help="try the rules of a camera on a recording: alerts, a timeline, an annotated clip",
        description="Judges the recording as a node would judge the camera, on the recording's own clock, as fast as "
        "it can; tells nobody. Alerts are JSON lines on standard output, or with --out files in a folder.",
    )
    what.add_argument("recording", type=Path, metavar="CLIP", help="a video file")
    what.add_argument("--config", type=Path, required=True, help="node.yaml")
    what.add_argument("--camera", metavar="ID", help="whose rules; may be left out when the settings have one camera")
    what.add_argument(
        "--out", type=Path, metavar="DIR", help=f"folder for {ALERTS}, {TIMELINE} and {CLIP}; earlier ones are replaced"
    )
    what.add_argument(
        "--at",
        type=_moment,
        metavar="MOMENT",
        help="when its first picture was taken, for schedules: 2026-11-23T07:30 (this machine's time zone) or with an "
        "offset, …+08:00. Else what the file says, else now",
    )
    what.add_argument("--no-clip", action="store_true", help=f"no {CLIP}: about twice as fast")
    what.set_defaults(act=_analyse)


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        at.astimezone(UTC)  # refuses what no clock shows
        return at if at.tzinfo is not None else at.astimezone()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(
            f'expected a date and time such as 2026-11-23T07:30 or 2026-11-23T07:30+08:00, got "{text}"'
        ) from None


def _analyse(options: argparse.Namespace) -> int:
    """Exit status as `cli.py` says; 1: stopped, or the recording is damaged."""
    from xueliang_edge.analysing.analysis import asked_of
    from xueliang_edge.analysing.whole_files import WholeFiles
    from xueliang_edge.errors import CannotAnalyse, EdgeError
    from xueliang_streams.errors import StreamError

    stop = threading.Event()
    config = load_node(options.config)
    with ExitStack() as closing:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                closing.callback(signal.signal, number, signal.signal(number, lambda *_: stop.set()))
        try:
            asked = asked_of(config, options.recording, options.camera, options.at, system_wall().astimezone())
            files = None
            if options.out is not None:
                if options.recording.resolve() in {(options.out / name).resolve() for name in (ALERTS, TIMELINE, CLIP)}:
                    raise CannotAnalyse(f"{options.recording} would be written over: give another --out")
                files = closing.enter_context(WholeFiles(options.out, (ALERTS, TIMELINE, CLIP)))
                if not options.no_clip:
                    asked = replace(asked, clip=files.part(CLIP))
            return _run(options, config, asked, files, stop)
        except BrokenPipeError:  # whoever read our lines has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except (EdgeError, StreamError) as error:
            print(error, file=sys.stderr)
            return 2


def _run(
    options: argparse.Namespace, config: NodeConfig, asked: Asked, files: WholeFiles | None, stop: threading.Event
) -> int:
    from xueliang_edge.analysing.analysis import analyse
    from xueliang_edge.analysing.drawing import clock
    from xueliang_edge.analysing.progress import ProgressLine

    print(_start_words(options, asked), file=sys.stderr)
    progress = ProgressLine(sys.stderr, asked.length_s, system_mono)
    began_mono_s = system_mono()

    def not_running(rule_id: str, why: str) -> None:
        print(f"rule {rule_id} is not running: {why}", file=sys.stderr)

    with ExitStack() as closing:
        lines: TextIO = sys.stdout
        if files is not None:
            lines = closing.enter_context(files.part(ALERTS).open("w", encoding="utf-8"))

        def say(alert: ToldAlert) -> None:
            if files is None:
                progress.clear()  # both may be the same terminal
            print(alert.line(), file=lines, flush=True)

        closing.callback(progress.clear)
        analysed = analyse(config, asked, say=say, say_not_running=not_running, progress=progress.tell, stop=stop)
    if analysed.was_stopped:
        no_file = "; no file was written" if files is not None else ""
        print(f"stopped at {clock(analysed.video_s)}{no_file}", file=sys.stderr)
        return 1
    written = _write(asked, analysed, files) if files is not None else ()
    print("\n".join(_end_words(asked, analysed, system_mono() - began_mono_s)), file=sys.stderr)
    if written:
        print(f"written into {options.out}: {', '.join(path.name for path in written)}", file=sys.stderr)
    return 0 if analysed.ended_early is None else 1


def _write(asked: Asked, analysed: Analysed, files: WholeFiles) -> tuple[Path, ...]:
    """The timeline; then all files get their names."""
    from xueliang_edge.analysing.drawing import clock
    from xueliang_edge.analysing.timeline import draw, save

    title = f"{asked.camera.camera_id} on {asked.recording.name}"
    under_title = (
        f"{clock(analysed.video_s)} from {asked.start_at:%Y-%m-%d %H:%M:%S %z}, "
        f"{analysed.looks} looks, one every {analysed.look_every_s:.3g} s"
    )
    image = draw(analysed.lanes, analysed.told, analysed.video_s, title, under_title)
    save(image, files.part(TIMELINE))
    if not analysed.slides:
        files.drop(CLIP)
    return files.finish()


def _start_words(options: argparse.Namespace, asked: Asked) -> str:
    why = "--at" if options.at is not None else "the file says so" if asked.is_dated else "now; --at says otherwise"
    moment = f"{asked.start_at:%Y-%m-%d %H:%M:%S %z}"
    return f"{asked.recording}: camera {asked.camera.camera_id}, first picture taken {moment} ({why})"


def _end_words(asked: Asked, analysed: Analysed, took_s: float) -> list[str]:
    from xueliang_alerts.contract import Phase
    from xueliang_edge.analysing.drawing import clock

    raised = sum(one.alert.phase is Phase.RAISED for one in analysed.told)
    words = [
        f"{analysed.looks} looks in {clock(analysed.video_s)} of video, alerts raised: {raised}; "
        f"{analysed.video_s / max(took_s, 0.001):.1f} s of video a second ({took_s:.1f} s in all)"
    ]
    open_ids = [lane.rule.rule_id for lane in analysed.lanes if lane.is_open]
    if open_ids:
        words.append(f"still open at the end: {', '.join(open_ids)}")
    for what, counts in (
        ("looks that could not be judged", analysed.unknown),
        ("slides without their picture, which could not be masked", analysed.hidden),
        ("decisions that no alert can carry", analysed.refused),
    ):
        if counts:
            words.append(f"{what}: {', '.join(f'{count} {reason}' for reason, count in sorted(counts.items()))}")
    if asked.clip is not None and analysed.no_clip is not None:
        words.append(f"no annotated clip: {analysed.no_clip}")
    if analysed.ended_early is not None:
        words.append(f"the recording could not be read to its end: {analysed.ended_early}")
    return words

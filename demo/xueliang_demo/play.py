"""./run demo: the whole system on this machine, on footage the project renders itself.

Starts the other programs by their public commands and tells what to look at. Nothing is injected past the camera: the
lorry is drawn, encoded, served over RTSP, decoded, detected, judged, published, folded, dispatched.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

from xueliang_alerts.errors import AlertsError
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import OWN_CAMERA, demo_plan, with_urls
from xueliang_demo.installation import Installation
from xueliang_demo.loop_check import LoopCheck, StepMissed
from xueliang_demo.own_clip import OwnClip, path_of
from xueliang_demo.private_files import make_private_folder
from xueliang_demo.processes import ProcessEnded, is_free
from xueliang_demo.theatre import DRIVER_LEAVES_AFTER_S, LANE_CAMERA, DriverTold, Stage
from xueliang_streams.errors import StreamError

DEFAULT_PORT: Final = 8080
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

WHAT_WILL_HAPPEN: Final = (
    "  What will happen: a lorry drives into the fire lane and stands. After 8 s the first alert is on the list and",
    "  goes to the grid worker; when nobody has taken it 20 s later, the next level is told. Log in as worker: take,",
    f"  arrive, photograph, handled. The driver leaves {DRIVER_LEAVES_AFTER_S:.0f} s later (or after 5 minutes),",
    "  the same camera sees the lane clear, and the incident is verified and closed.",
    "  On the plaza a crowd gathers every few minutes.",
)
WHAT_IS_WATCHED: Final = (
    "  Your camera is watched with one zone over its middle: a vehicle that stands for 15 s, six people, or no picture",
    "  for 20 s raises an alert. Zones and limits: node.yaml in that folder.",
)


def tell(installation: Installation, own_camera: str | None) -> None:
    """What to open and what will happen."""
    lines = [
        "",
        f"  Command centre   {installation.origin}/",
        f"    log in as      operator   {installation.password_of('operator')}",
        f"  Grid worker      {installation.origin}/phone   (a phone-sized window)",
        f"    log in as      worker     {installation.password_of('worker')}",
        f"  Everything is kept in {installation.folder}",
        "",
    ]
    lines += WHAT_WILL_HAPPEN if own_camera is None else WHAT_IS_WATCHED
    print("\n".join([*lines, "", "  Ctrl-C stops everything.", ""]), flush=True)


@contextlib.contextmanager
def running(arguments: argparse.Namespace) -> Iterator[tuple[Installation, Stage | None]]:
    """Footage, cameras, broker, centre, node: up on entry, down on exit."""
    folder = arguments.data.resolve()
    make_private_folder(folder)
    stage, own, address = None, None, arguments.camera
    if address is None:
        stage = Stage(folder / "footage", lorry_after_s=arguments.lorry_after)
    elif (path := path_of(address)) is not None:
        own, address = OwnClip(path, OWN_CAMERA, folder / "footage"), ""
    plan = demo_plan(make_city(DEMO), stage, address)
    port = arguments.port or (DEFAULT_PORT if is_free(DEFAULT_PORT) else None)
    installation = Installation(folder, plan, http_port=port)
    served = stage or own
    try:
        installation.start_programs_for(with_urls(plan, served.open() if served else None))
        yield installation, stage
    finally:
        _ignore_signals()
        installation.stop()
        if served is not None:
            served.close()


def check(installation: Installation) -> None:
    """The loop without a browser. Raises StepMissed."""
    operator, worker = installation.log_in("operator"), installation.log_in("worker")
    try:
        print("time since the set-up ended, step:")
        LoopCheck(operator, worker, LANE_CAMERA, must_run=installation.must_run).run()
    finally:
        operator.close()
        worker.close()
    print("all steps happened through the public doors: RTSP, MQTT, HTTP")


def keep_going(installation: Installation, own_camera: str | None) -> None:
    tell(installation, own_camera)
    while True:
        installation.must_run()
        time.sleep(1.0)


def _stop_at_signals() -> None:
    """Ctrl-C, SIGTERM, a closed terminal (unless hang-ups are ignored, as under nohup): everything is stopped."""
    for number in STOP_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _ignore_signals()
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    """What stops must not be cut short by a second Ctrl-C: programs would be left behind."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def main() -> None:
    """Exit status 0; 1 when `--check` missed a step; 2 when something could not be started."""
    parser = argparse.ArgumentParser(prog="./run demo", description="The whole system on this machine.")
    parser.add_argument("--camera", metavar="URL|FILE", help="watch this instead: rtsp://… or a video file, looped")
    parser.add_argument("--check", action="store_true", help="walk the whole loop without a browser and exit")
    parser.add_argument(
        "--data", type=Path, default=Path(".run/demo"), help="where everything is kept (default .run/demo)"
    )
    parser.add_argument("--port", type=int, default=0, help=f"HTTP port (default {DEFAULT_PORT}, or any free one)")
    parser.add_argument("--lorry-after", type=float, default=8.0, metavar="S", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.check and arguments.camera:
        parser.error("--check walks the demo's own loop; leave --camera out")
    _stop_at_signals()
    status = 0
    try:
        with running(arguments) as (installation, stage):
            told = None
            if stage is not None:
                told = DriverTold(installation.log_in("operator"), stage.lane_director)
                told.start()
            try:
                if arguments.check and stage is not None:
                    check(installation)
                else:
                    keep_going(installation, arguments.camera)
            finally:
                if told is not None:
                    told.end()
    except KeyboardInterrupt:
        print("stopped", flush=True)
    except StepMissed as missed:
        print(f"MISSED  {missed}", file=sys.stderr)
        status = 1
    except (ProcessEnded, TimeoutError, AlertsError, StreamError, OSError) as error:
        print(error, file=sys.stderr)
        status = 2
    sys.exit(status)


if __name__ == "__main__":
    main()

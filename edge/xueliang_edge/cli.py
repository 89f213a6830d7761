"""xueliang-edge: run a node, check its settings, look at what a camera offers.

Exit status: 0 well, 1 something that may pass (a camera that does not answer), 2 something a person must change first
(settings, a model file, a folder). The only place of the room that makes the real clocks.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.errors import AlertsError
from xueliang_configs.errors import ConfigsError
from xueliang_configs.loading import load_node
from xueliang_edge.node import Node, open_detectors
from xueliang_edge.reporting import rules_not_running
from xueliang_models.errors import ModelError
from xueliang_streams.errors import StreamError, UnsupportedUrl
from xueliang_streams.probe import probe
from xueliang_streams.redaction import redact_text
from xueliang_streams.source import Pace

_STANDARD_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
PROBE_TIMEOUT_S: Final = 15.0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    _log_to_stderr(options.verbose)
    try:
        return int(options.act(options))
    except (ConfigsError, ModelError, AlertsError) as error:
        print(redact_text(str(error)), file=sys.stderr)
        return 2
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(redact_text(f"{where}{error.strerror or error}"), file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    node = Node(load_node(options.config), wall=system_wall, mono=system_mono, pace=Pace(options.recordings))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores hang-ups, and means it
            signal.signal(number, lambda *_: stop.set())
    try:
        node.start()
        node.run(stop, until_ended=options.until_ended)
    finally:
        node.close(is_final=options.final)
    return 0


def _check(options: argparse.Namespace) -> int:
    config = load_node(options.config)
    detectors = open_detectors(config)
    for name, opened in detectors.items():
        print(f"detector {name}: {opened.detector.model_id}, believed from score {opened.confident_score:g} on")
    for camera in config.cameras:
        rules = ", ".join(f"{rule.rule_id} ({rule.hazard.value})" for rule in camera.rules) or "no rules"
        print(f"camera {camera.camera_id}: {camera.url}, a look every {camera.needed_look_every_s:g} s: {rules}")
    for rule in rules_not_running(config.cameras, {name: one.detector for name, one in detectors.items()}):
        print(f"not running: {rule.camera_id}/{rule.rule_id} ({rule.hazard}): {rule.reason}")
    for opened in detectors.values():
        opened.detector.close()
    print(f"{options.config}: can be run")
    return 0


def _probe(options: argparse.Namespace) -> int:
    try:
        offer = probe(options.url.removeprefix("file:"), timeout_s=options.timeout, mono=system_mono)
    except UnsupportedUrl as error:
        print(error, file=sys.stderr)
        return 2
    except StreamError as error:
        print(error, file=sys.stderr)
        return 1
    width, height = offer.size_wh
    print(f"{offer.codec} {width}x{height}", end="")
    print(f", {offer.fps:.1f} pictures a second" if offer.fps else "", end="")
    print(f", a key picture every {offer.gop_s:.1f} s" if offer.gop_s else "", end="")
    print(f", {offer.bitrate_bps / 1e6:.2f} Mbit/s" if offer.bitrate_bps else "")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="xueliang-edge", description="One edge node: cameras in, alerts out.")
    parser.add_argument("--verbose", action="store_true", help="log more")
    commands = parser.add_subparsers(required=True, metavar="run | check | probe")

    run = commands.add_parser("run", help="watch the cameras of a settings file until SIGTERM, a hang-up or Ctrl-C")
    run.add_argument("--config", type=Path, required=True, help="node.yaml")
    run.add_argument("--final", action="store_true", help="at the stop, end open alerts as node_stopped")
    run.add_argument(
        "--recordings",
        choices=[pace.value for pace in Pace],
        default=Pace.REAL.value,
        help="pace of file: cameras; fast: as fast as they are judged, on the recording's own clock",
    )
    run.add_argument("--until-ended", action="store_true", help="stop when every fast recording has ended")
    run.set_defaults(act=_run)

    check = commands.add_parser("check", help="read the settings, open the models, say what would run; start nothing")
    check.add_argument("--config", type=Path, required=True, help="node.yaml")
    check.set_defaults(act=_check)

    look = commands.add_parser("probe", help="what a camera or a recording offers")
    look.add_argument("url", metavar="URL", help="rtsp://…, rtsps://… or a file")
    look.add_argument("--timeout", type=float, default=PROBE_TIMEOUT_S, help="seconds")
    look.set_defaults(act=_probe)
    return parser


class _EventFormatter(logging.Formatter):
    """One line an event: time, level, where, what, then its fields as key=value; every URL redacted."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        fields = {key: value for key, value in vars(record).items() if key not in _STANDARD_FIELDS}
        told = " ".join(f"{key}={value!r}" if " " in str(value) else f"{key}={value}" for key, value in fields.items())
        head, *rest = line.split("\n")
        return redact_text("\n".join([f"{head} {told}".rstrip(), *rest]))


def _log_to_stderr(verbose: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_EventFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())

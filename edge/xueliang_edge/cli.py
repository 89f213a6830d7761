"""xueliang-edge: run a node, check its settings, change its rules (`rules_commands.py`); probe a camera, import many,
measure the machine (`commands.py`); try rules over the observation log (`backtest/command.py`) or on a recording
(`analysing/command.py`).

Exit status: 0 well, 1 something that may pass (a camera that does not answer), 2 something a person must change first
(settings, a model file, a folder). The only place of the room that makes the real clocks.

Whatever needs a compiled package is imported by the command that needs it: `measure` must be able to say that one does
not load on this machine.
"""

from __future__ import annotations

import argparse
import logging
import os
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
from xueliang_edge.allocator import keep_arenas_few
from xueliang_edge.analysing.command import add_analyse
from xueliang_edge.backtest.command import add_backtest
from xueliang_edge.commands import add_import, add_measure, add_probe, add_rules, add_views
from xueliang_edge.logs import log_to_stderr
from xueliang_edge.watchdog import ALIVE, READY, STOPPING, ServiceManager
from xueliang_models.errors import ModelError

PACES: Final = ("real", "fast")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    log_to_stderr(logging.DEBUG if options.verbose else logging.INFO)
    try:
        return int(options.act(options))
    except (ConfigsError, ModelError, AlertsError) as error:
        print(_redacted(str(error)), file=sys.stderr)
        return 2
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(_redacted(f"{where}{error.strerror or error}"), file=sys.stderr)
        return 2


def _redacted(text: str) -> str:
    from xueliang_streams.redaction import redact_text

    return redact_text(text)


def _run(options: argparse.Namespace) -> int:
    from xueliang_edge.node import Node
    from xueliang_streams.source import Pace

    keep_arenas_few()
    manager = ServiceManager(os.environ)
    node = Node(
        load_node(options.config),
        wall=system_wall,
        mono=system_mono,
        pace=Pace(options.recordings),
        alive=lambda: manager.tell(ALIVE),
        settings=options.config,
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores hang-ups, and means it
            signal.signal(number, lambda *_: stop.set())
    try:
        node.start()
        manager.tell(READY)
        node.run(stop, until_ended=options.until_ended)
    finally:
        manager.tell(STOPPING)
        node.close(is_final=options.final)
        manager.close()
    return 0


def _check(options: argparse.Namespace) -> int:
    from xueliang_edge.hot_rules.starting import rules_at_start, with_rules_of
    from xueliang_edge.hot_rules.versions import FOLDER, VersionFiles
    from xueliang_edge.node import check_models
    from xueliang_edge.reporting import rules_not_running

    config = load_node(options.config)
    starts = rules_at_start(config, VersionFiles(config.data_dir / FOLDER), system_wall())
    config = with_rules_of(config, starts)
    detectors = check_models(config)
    for name, opened in detectors.items():
        print(f"detector {name}: {opened.model_id}, believed from score {opened.confident_score:g} on")
    for camera in config.cameras:
        rules = ", ".join(f"{rule.rule_id} ({rule.hazard.value})" for rule in camera.rules) or "no rules"
        print(f"camera {camera.camera_id}: {camera.url}, a look every {camera.needed_look_every_s:g} s: {rules}")
        start = starts[camera.camera_id]
        print(f"  rules: {'would be ' if start.is_new else ''}{start.words}")
    for rule in rules_not_running(config.cameras, detectors):
        print(f"not running: {rule.camera_id}/{rule.rule_id} ({rule.hazard}): {rule.reason}")
    print(f"{options.config}: can be run")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="xueliang-edge", description="One edge node: cameras in, alerts out.")
    parser.add_argument("--verbose", action="store_true", help="log more")
    commands = parser.add_subparsers(
        required=True, metavar="run | check | rules | views | backtest | analyse | probe | import | measure"
    )

    run = commands.add_parser("run", help="watch the cameras of a settings file until SIGTERM, a hang-up or Ctrl-C")
    run.add_argument("--config", type=Path, required=True, help="node.yaml")
    run.add_argument("--final", action="store_true", help="at the stop, end open alerts as node_stopped")
    run.add_argument(
        "--recordings",
        choices=PACES,
        default=PACES[0],
        help="pace of file: cameras; fast: as fast as they are judged, on the recording's own clock",
    )
    run.add_argument("--until-ended", action="store_true", help="stop when every fast recording has ended")
    run.set_defaults(act=_run)

    check = commands.add_parser("check", help="read the settings, open the models, say what would run; start nothing")
    check.add_argument("--config", type=Path, required=True, help="node.yaml")
    check.set_defaults(act=_check)

    add_rules(commands)
    add_views(commands)
    add_backtest(commands)
    add_probe(commands)
    add_import(commands)
    add_measure(commands)
    add_analyse(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())

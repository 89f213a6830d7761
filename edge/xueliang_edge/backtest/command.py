"""What the command `backtest` takes and prints."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xueliang_alerts.clocks import system_wall

if TYPE_CHECKING:
    from xueliang_configs.node import NodeConfig
    from xueliang_configs.rules import Rule
    from xueliang_edge.backtest.answering import KnownModel
    from xueliang_edge.backtest.report import Asked

Commands = argparse._SubParsersAction  # argparse has no public name for what add_subparsers returns


def add_backtest(commands: Commands[argparse.ArgumentParser]) -> None:
    """`backtest --config node.yaml --camera ID --rule draft.yaml [--from …] [--to …] [--judged FILE [--suggest]]
    [--json FILE]`
    """
    what = commands.add_parser(
        "backtest",
        help="a draft of a rule over what a camera showed: what it would have raised, and where the log cannot say",
        description="Reads the node's observation log, also while the node runs. Writes nothing but --json's file.",
    )
    what.add_argument("--config", type=Path, required=True, help="node.yaml: its data_dir has the log")
    what.add_argument("--camera", required=True, metavar="ID", help="camera_id")
    what.add_argument(
        "--rule",
        type=Path,
        required=True,
        metavar="FILE",
        help="draft.yaml: one rule as it would stand under the camera; the running version is that of its rule_id",
    )
    what.add_argument("--from", dest="from_at", metavar="WHEN", help="2026-11-23T08:00+08:00; without offset local")
    what.add_argument("--to", dest="to_at", metavar="WHEN", help="the same; neither: all that is kept")
    what.add_argument("--judged", type=Path, metavar="FILE", help="operators' judgements, CSV or JSON lines")
    what.add_argument(
        "--suggest",
        action="store_true",
        help="search for settings, excluded zones and hours that rid the rule of what was judged false, and say which "
        "true alerts each would lose; needs --judged, applies nothing",
    )
    what.add_argument("--json", type=Path, metavar="FILE", help="write the whole answer as JSON lines; - for output")
    what.set_defaults(act=_backtest)


def _backtest(options: argparse.Namespace) -> int:
    from xueliang_configs.loading import load_node, load_rule
    from xueliang_edge.errors import EdgeError

    if options.suggest and options.judged is None:
        print("--suggest: expected --judged FILE with operators' judgements, got none", file=sys.stderr)
        return 2
    try:
        from_at, to_at = (_moment_or_none(name, getattr(options, name + "_at")) for name in ("from", "to"))
        if from_at is not None and to_at is not None and from_at >= to_at:
            raise ValueError(
                f"--from: expected a moment before --to, got {from_at.isoformat()} and {to_at.isoformat()}"
            )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    config, draft = load_node(options.config), load_rule(options.rule)
    try:
        asked = asked_of(config, options.camera, draft, options.judged, options.config)
        text, rows = _answer(options, config.data_dir / "log", asked, from_at, to_at)
    except EdgeError as error:
        print(error, file=sys.stderr)
        return 2
    if options.json is None or str(options.json) != "-":
        print("\n".join(text))
    if options.json is not None:
        _write(rows, options.json)
    return 0


def _answer(
    options: argparse.Namespace, folder: Path, asked: Asked, from_at: datetime | None, to_at: datetime | None
) -> tuple[Iterable[str], Iterable[dict[str, Any]]]:
    """As text and as rows."""
    from xueliang_edge.backtest import report, words
    from xueliang_edge.backtest.suggesting import searching, telling
    from xueliang_edge.observation_log.files import log_files
    from xueliang_edge.observation_log.reading import read_parts

    read = partial(read_parts, folder, asked.camera.camera_id, from_at, to_at)
    progress = _progress(log_files(folder)[0].first_at_ms, from_at, to_at)
    if options.suggest:
        found = searching.suggest(asked, read, from_at, to_at, progress)
        return telling.lines(found), telling.json_lines(found)
    answer = report.backtest(asked, read(), from_at, to_at, progress)
    return words.lines(answer), report.json_lines(answer)


def asked_of(config: NodeConfig, camera_id: str, draft: Rule, judged_file: Path | None, named: Path) -> Asked:
    """What is asked of a node's settings and its folder; `named`: what messages call the settings.

    Raises NothingToTry, JudgementsUnreadable, ModelError.
    """
    from xueliang_alerts.contract import alert_id_of
    from xueliang_alerts.recovery import spool_id_in
    from xueliang_edge.backtest.judgements import read_judgements
    from xueliang_edge.backtest.report import Asked
    from xueliang_edge.errors import NothingToTry
    from xueliang_edge.observation_log.files import log_files

    camera = next((one for one in config.cameras if one.camera_id == camera_id), None)
    if camera is None:
        there = ", ".join(one.camera_id for one in config.cameras[:20]) or "none"
        raise NothingToTry(f'--camera: no camera "{camera_id}" in {named}\n  hint: there: {there}')
    folder = config.data_dir / "log"
    if not log_files(folder):
        kept = (
            "observation_log is null: nothing is kept" if config.node.observation_log is None else "run the node first"
        )
        raise NothingToTry(f"{folder}: no observation log here\n  hint: {kept}")
    judged = None
    if judged_file is not None:
        judged = read_judgements(judged_file, camera.camera_id, draft.rule_id, moment)
    spool_id = spool_id_in(config.data_dir / "spool")
    alert_id = None if spool_id is None else partial(alert_id_of, spool_id, camera.camera_id, draft.rule_id)
    return Asked(camera, draft, _model(config, draft), judged, alert_id)


def _model(config: NodeConfig, draft: Rule) -> KnownModel | None:
    """What the draft's detector is today. Raises ModelError; NothingToTry when there is no such detector."""
    from xueliang_edge.backtest.answering import KnownModel
    from xueliang_edge.detector_work import open_models
    from xueliang_edge.errors import NothingToTry
    from xueliang_edge.node import model_settings
    from xueliang_edge.rules.registry import RULES

    if not RULES[draft.hazard].needs_detector:
        return None
    settings = [one for one in model_settings(config) if one.name == draft.detector]
    if not settings:
        there = ", ".join(config.detectors) or "none"
        raise NothingToTry(f'detector: no "{draft.detector}" under detectors in the settings\n  hint: there: {there}')
    opened = open_models(settings)[draft.detector].detector
    try:
        return KnownModel(opened.digest, opened.classes)
    finally:
        opened.close()


def moment(text: str) -> datetime:
    """ISO 8601 to an aware moment; without an offset it is this machine's local time. Raises ValueError."""
    at = datetime.fromisoformat(text.strip())
    return at.astimezone(UTC)


def _moment_or_none(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = moment(text)
    except (ValueError, OverflowError):
        raise ValueError(f'--{name}: expected a moment like 2026-11-23T08:00:00+08:00, got "{text[:60]}"') from None
    if datetime.fromisoformat(text.strip()).tzinfo is None:
        print(f"--{name} has no offset, taken as local time: {at.astimezone().isoformat()}", file=sys.stderr)
    return at


def _progress(first_ms: int | None, from_at: datetime | None, to_at: datetime | None) -> Callable[[datetime], None]:
    """How far it is, on a terminal only."""
    if not sys.stderr.isatty():
        return lambda _at: None
    from xueliang_edge.observation_log.encoding import at_of

    start = from_at if from_at is not None else at_of(first_ms or 0)
    end = to_at if to_at is not None else system_wall()
    whole_s = max(1.0, (end - start).total_seconds())

    def tell(at: datetime) -> None:
        share = min(1.0, max(0.0, (at - start).total_seconds() / whole_s))
        print(f"\r{share:4.0%} {at.astimezone():%Y-%m-%d %H:%M}\033[K", end="\r", file=sys.stderr, flush=True)

    return tell


def _write(rows: Iterable[dict[str, Any]], path: Path) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False, default=_plain) + "\n" for row in rows)
    if str(path) == "-":
        print(text, end="")
    else:
        path.write_text(text)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)

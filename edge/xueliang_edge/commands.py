"""What the commands `rules`, `probe`, `import` and `measure` take, and what the last three print.

Each command's own modules are imported when it is called: `measure` must be able to say that a package does not load.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_edge.wheels import try_wheels

if TYPE_CHECKING:
    from xueliang_edge.costs import Cost
    from xueliang_edge.offers import SubFit
    from xueliang_streams.probe import Offer

PROBE_TIMEOUT_S: Final = 15.0
GUESS_S: Final = 5.0  # for an address that nobody gave
MEASURE_S: Final = 60.0
LONGEST_S: Final = 3600.0
IMPORT_TIMEOUT_S: Final = 12.0
ASSUMED_NODE: Final = "2,100"
MOST_AT_ONCE: Final = 64

Commands = argparse._SubParsersAction  # argparse has no public name for what add_subparsers returns


def seconds(text: str) -> float:
    """For argparse: a time above zero, an hour at most."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= LONGEST_S:
        raise argparse.ArgumentTypeError(f'expected seconds above 0 and at most {LONGEST_S:g}, got "{text}"')
    return value


def _at_once(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= MOST_AT_ONCE:
        raise argparse.ArgumentTypeError(f'expected a whole number from 1 to {MOST_AT_ONCE}, got "{text}"')
    return int(text)


def add_probe(commands: Commands[argparse.ArgumentParser]) -> None:
    """`probe URL [--sub URL]`"""
    look = commands.add_parser("probe", help="what a camera or a recording offers, and what watching it costs")
    look.add_argument("url", metavar="URL", help="rtsp://…, rtsps://… or a file")
    look.add_argument("--sub", metavar="URL", help="the camera's small stream; without it, the usual address is tried")
    look.add_argument("--timeout", type=seconds, default=PROBE_TIMEOUT_S, help="seconds for each stream")
    look.add_argument("--json", action="store_true", help="machine-readable, on standard output")
    look.set_defaults(act=_probe)


def add_import(commands: Commands[argparse.ArgumentParser]) -> None:
    """`import TABLE --node NAME[=CORES,MBIT]… --out DIR [--apply]`"""
    many = commands.add_parser(
        "import",
        help="many cameras from a table: look at each, share them out among nodes, write the settings",
        description="Without --apply nothing is written: every bad row and every camera that does not answer is told.",
    )
    many.add_argument("table", type=Path, metavar="TABLE", help="cameras.xlsx or cameras.csv, headings in a row on top")
    many.add_argument(
        "--node",
        action="append",
        required=True,
        metavar="NAME[=CORES,MBIT]",
        help=f"a node the cameras go to: its cores, and the Mbit/s it can take in (assumed: {ASSUMED_NODE})",
    )
    many.add_argument("--out", type=Path, metavar="DIR", help="folder for what is written")
    many.add_argument("--apply", action="store_true", help="write: node-NAME.cameras.yaml, cameras.yaml, stills/")
    many.add_argument("--replace", action="store_true", help="replace files that are there already")
    many.add_argument(
        "--with-passwords", action="store_true", help="write node-NAME.env too: logins in clear, mode 0600"
    )
    many.add_argument(
        "--include-unreachable",
        action="store_true",
        help="import cameras that did not answer as well, at a middle cost",
    )
    many.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="what an empty cell means: datum=gcj02, purpose=…",
    )
    many.add_argument("--sheet", metavar="NAME", help="the workbook's sheet; else its first")
    many.add_argument("--timeout", type=seconds, default=IMPORT_TIMEOUT_S, help="seconds for each stream (12)")
    many.add_argument("--at-once", type=_at_once, default=16, help="cameras looked at at the same time (16)")
    many.add_argument("--json", action="store_true", help="machine-readable, on standard output")
    many.set_defaults(act=_import)


def add_measure(commands: Commands[argparse.ArgumentParser]) -> None:
    """`measure [--seconds N] [--data-dir DIR]`"""
    what = commands.add_parser("measure", help="how many cameras this machine can carry, and what limits first")
    what.add_argument("--seconds", type=seconds, default=MEASURE_S, help="about how long (60); shorter is rougher")
    what.add_argument(
        "--data-dir", type=Path, default=Path(), help="where the node's data will lie: fsync is timed there"
    )
    what.add_argument("--json", action="store_true", help="machine-readable, on standard output")
    what.set_defaults(act=_measure)


def add_rules(commands: Commands[argparse.ArgumentParser]) -> None:
    """`rules show | versions | apply | rollback`"""
    rules = commands.add_parser("rules", help="rules of a node that runs: show, list versions, change, go back")
    acts = rules.add_subparsers(required=True, dest="rules_act", metavar="show | versions | apply | rollback")
    show = acts.add_parser("show", help="what runs, as a file that `apply` takes")
    show.add_argument("camera_id", nargs="?", metavar="CAMERA", help="only this camera")
    show.add_argument("--version", type=int, metavar="N", help="an older version of the camera instead")
    versions = acts.add_parser("versions", help="what ran, since when, and where it came from")
    versions.add_argument("camera_id", nargs="?", metavar="CAMERA", help="only this camera")
    change = acts.add_parser("apply", help="have the running node take rules, without a restart")
    change.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="`cameras:` with rules; left out: what node.yaml says now"
    )
    change.add_argument("--note", default="", help="why, for the list of versions")
    back = acts.add_parser("rollback", help="have the running node go back to an older version of a camera's rules")
    back.add_argument("camera_id", metavar="CAMERA")
    back.add_argument("version", nargs="?", type=int, metavar="VERSION", help="left out: the one before the last")
    for act in (show, versions, change, back):
        where = act.add_mutually_exclusive_group(required=True)
        where.add_argument("--config", type=Path, help="node.yaml of the node")
        where.add_argument("--data-dir", type=Path, metavar="DIR", help="its data_dir, while node.yaml is broken")
    rules.set_defaults(act=_rules)


def _rules(options: argparse.Namespace) -> int:
    from xueliang_edge.rules_commands import ACTS

    return ACTS[options.rules_act](options)


def add_views(commands: Commands[argparse.ArgumentParser]) -> None:
    """`views show | learn | proposals | approve`"""
    views = commands.add_parser("views", help="views of cameras that turn: show, learn, take moved zones")
    acts = views.add_subparsers(required=True, dest="views_act", metavar="show | learn | proposals | approve")
    show = acts.add_parser("show", help="which views are known, and which one each camera shows now")
    show.add_argument("camera_id", nargs="?", metavar="CAMERA", help="only this camera")
    learn = acts.add_parser("learn", help="take what the camera shows now as this view of it")
    proposals = acts.add_parser("proposals", help="zones that the node would move, after a camera was nudged")
    approve = acts.add_parser("approve", help="have the running node take the moved zones of a view")
    for act in (learn, approve):
        act.add_argument("camera_id", metavar="CAMERA")
        act.add_argument("view_id", metavar="VIEW")
    for act in (show, learn, proposals, approve):
        act.add_argument("--config", type=Path, required=True, help="node.yaml of the node")
    views.set_defaults(act=_views, data_dir=None)


def _views(options: argparse.Namespace) -> int:
    from xueliang_edge.views_commands import ACTS

    return ACTS[options.views_act](options)


def _probe(options: argparse.Namespace) -> int:
    from xueliang_edge.costs import DETECT_MS, Plan, cost_of, figures_of
    from xueliang_edge.offers import cost_words, sub_fit
    from xueliang_edge.usual_addresses import usual_sub_url
    from xueliang_streams.errors import StreamError, UnsupportedUrl
    from xueliang_streams.probe import CLOCK_WAIT_S, probe
    from xueliang_streams.redaction import redact_url

    def look(url: str, clock_wait_s: float, *, is_guess: bool = False) -> Offer | StreamError:
        address = url.removeprefix("file:")
        timeout_s = min(GUESS_S, options.timeout) if is_guess else options.timeout
        try:
            return probe(address, timeout_s=timeout_s, wall=system_wall, mono=system_mono, clock_wait_s=clock_wait_s)
        except StreamError as error:
            if not is_guess:
                print(error, file=sys.stderr)
            return error

    main = look(options.url, CLOCK_WAIT_S)
    guess = None if options.sub else usual_sub_url(options.url)
    sub_url = options.sub or guess
    # One clock in a camera: it is asked of the main stream only.
    sub = look(sub_url, 0.0, is_guess=guess is not None) if sub_url and not isinstance(main, StreamError) else None
    if guess is not None and isinstance(sub, StreamError):
        sub = None
    elif guess is not None and sub is not None:
        options.sub = guess
    status = max(
        (2 if isinstance(one, UnsupportedUrl) else 1 for one in (main, sub) if isinstance(one, StreamError)), default=0
    )
    if isinstance(main, StreamError):
        return status
    opened = None if isinstance(sub, StreamError) else sub
    fit = sub_fit(main, opened) if opened else None
    everyday = opened if fit is not None and (fit.fits or fit.is_swapped) else None
    large = main
    if fit is not None and fit.is_swapped and opened is not None:
        large, everyday = opened, main
    cost = cost_of(figures_of(large), figures_of(everyday) if everyday else None, Plan())
    if fit is not None:
        words = fit.words if guess is None else f"{fit.words}; found at {redact_url(guess)}"
    elif options.sub:
        words = f"could not be opened: {sub}"
    else:
        words = "none given (--sub URL); with one, everyday looks cost less"
    if options.json:
        print(json.dumps(_probe_json(options, main, opened, fit, words, cost), ensure_ascii=False, indent=2))
        return status
    _tell(main, "main stream: " if opened else "")
    if opened:
        _tell(opened, "sub stream: ")
    print(f"sub stream: {words}")
    print("\n".join(cost_words(cost)))
    print(f"  ({DETECT_MS:g} ms a look of the detector is assumed; `measure` tells this machine's)")
    return status


def _probe_json(
    options: argparse.Namespace, main: Offer, sub: Offer | None, fit: SubFit | None, words: str, cost: Cost
) -> dict[str, Any]:
    from xueliang_edge.offers import as_json, cost_json
    from xueliang_streams.redaction import redact_url

    return {
        "url": redact_url(options.url),
        "main": as_json(main),
        "sub_url": redact_url(options.sub) if options.sub else None,
        "sub": as_json(sub) if sub else None,
        "sub_fits": fit.fits if fit else None,
        "sub_words": words,
        "is_swapped": fit.is_swapped if fit else None,
        "cost": cost_json(cost),
    }


def _tell(offer: Offer, before: str) -> None:
    from xueliang_edge.offers import clock_words, described, oddities

    print(before + described(offer))
    print(f"clock: {clock_words(offer)}")
    for oddity in oddities(offer):
        print(f"note: {oddity}")


def _import(options: argparse.Namespace) -> int:
    from xueliang_edge.errors import EdgeError
    from xueliang_edge.importing.asking import asked_of
    from xueliang_edge.importing.files import write_plan
    from xueliang_edge.importing.looking import Looker
    from xueliang_edge.importing.planning import PlannedCamera, make_plan
    from xueliang_edge.importing.reporting import camera_words, plan_json, plan_words, problem_words
    from xueliang_models.catalogue import EMBEDDED, open_detector
    from xueliang_streams.redaction import redact_text

    def tell(done: int, count: int, camera: PlannedCamera) -> None:
        print(f"[{done}/{count}] {camera_words(camera)}", file=sys.stderr)

    def begins(count: int, longest_s: float) -> None:
        print(
            f"looking at {count} cameras, {options.at_once} at once: {longest_s / 60:.1f} minutes at most",
            file=sys.stderr,
        )

    looker = Looker(wall=system_wall, mono=system_mono, timeout_s=options.timeout, at_once=options.at_once)
    try:
        asked = asked_of(
            options.table,
            nodes=options.node,
            sheet=options.sheet,
            bulk=options.set,
            keeps_unreachable=options.include_unreachable,
            assumed_node=ASSUMED_NODE,
        )
        if options.apply and options.out is None:
            print("--apply: expected --out DIR beside it", file=sys.stderr)
            return 2
        detector = open_detector(EMBEDDED)
        try:
            plan = make_plan(
                asked,
                detector=detector,
                environment=os.environ,
                looker=looker,
                mono=system_mono,
                begins=begins,
                tell=tell,
            )
        finally:
            detector.close()
        written = []
        if options.apply and plan.can_be_applied:
            written = write_plan(plan, options.out, replaces=options.replace, with_passwords=options.with_passwords)
    except EdgeError as error:
        print(redact_text(str(error)), file=sys.stderr)
        return 2
    for line in problem_words(plan):
        print(line, file=sys.stderr)
    if options.json:
        print(json.dumps(plan_json(plan) | {"written": [str(path) for path in written]}, ensure_ascii=False, indent=2))
    else:
        print("\n".join(plan_words(plan)))
        print(_outcome(options, plan.can_be_applied, written))
    if not plan.can_be_applied and (plan.problems or plan.kept):
        return 2
    return 1 if plan.unreachable else 0


def _outcome(options: argparse.Namespace, can_be_applied: bool, written: list[Path]) -> str:
    if written:
        stills = sum(path.suffix == ".jpg" for path in written)
        names = ", ".join(path.name for path in written if path.suffix != ".jpg")
        return f"written into {options.out}: {names}, {stills} stills"
    if options.apply:
        return "nothing was written: see above"
    return "dry run, nothing was written; --apply writes" + ("" if can_be_applied else " once the above is mended")


def _measure(options: argparse.Namespace) -> int:
    began_s = system_mono()
    wheels = try_wheels()
    failing = [wheel for wheel in wheels if wheel.problem]
    if failing:
        for wheel in failing:
            print(f"{wheel.package}: {wheel.problem}", file=sys.stderr)
        print("nothing can be measured before these packages load", file=sys.stderr)
        return 2
    from xueliang_edge.measuring import as_json, measure, words

    left_s = options.seconds - (system_mono() - began_s)
    measured = measure(seconds=left_s, data_dir=options.data_dir, wheels=wheels, mono=system_mono)
    if options.json:
        print(json.dumps(as_json(measured), ensure_ascii=False, indent=2))
    else:
        print("\n".join(words(measured)))
    return 0

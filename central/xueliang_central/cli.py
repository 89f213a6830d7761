"""xueliang-centre: the centre's program. Exit status: 0 done, 1 refused or broken, 2 a file to mend or wrong usage."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_central import administration, camera_gate_commands, telling_others
from xueliang_central.cameras.gate import Gate
from xueliang_central.errors import CentralError, ImportRefused
from xueliang_central.intake.signing import FILE_NAME as INTAKE_KEY
from xueliang_central.notices.contact_table import read_contact_table
from xueliang_central.people.roster_table import read_roster_table
from xueliang_central.rights.scope import Role
from xueliang_central.store.database import Database
from xueliang_configs.centre import ALL_ROLES, CentreConfig, one_process
from xueliang_configs.errors import ConfigError
from xueliang_configs.loading import check_channels, load_areas, load_cameras, load_centre, load_lanes, load_policies

STOP_WITHIN_S: Final = 6  # open requests get this long; with the parts' own stop it stays below ten seconds
COMMAND_WAIT_S: Final = 15.0  # a command may wait longer for its turn than an operator's click
DONE, REFUSED, MEND = 0, 1, 2

Lines = list[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=options.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        status = int(options.run(options))
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read our lines (`| head`) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except ConfigError as error:
        print(error, file=sys.stderr)
        return MEND
    except ImportRefused as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return MEND
    except CentralError as error:
        print(f"{error.title}: {error.detail}" if error.detail else error.title, file=sys.stderr)
        return REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="xueliang-centre", description="The centre of Xueliang Edge.")
    parser.add_argument("--config", type=Path, required=True, help="centre.yaml")
    parser.add_argument("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    served = command("serve", _serve, "Run the roles that centre.yaml names, until SIGTERM, a hang-up or Ctrl-C.")
    served.add_argument("--role", action="append", choices=ALL_ROLES, help="Only this one; may be given again.")
    served.add_argument("--port", type=int, help="Of the console and the API, in the place of http.port.")
    command("init", _init, "Make the data folder and the database.")
    command("migrate", _init, "Bring the database to the schema of this program.")
    areas = command("import-areas", _import_areas, "Take an area tree (GeoJSON); prints what changes.")
    areas.add_argument("file", type=Path)
    areas.add_argument("--remove-missing", action="store_true", help="Remove areas that the file does not name.")
    cameras = command("import-cameras", _import_cameras, "Add or change cameras (YAML); prints what changes.")
    cameras.add_argument("file", type=Path)
    gate = command("camera-gate", _camera_gate, "Which cameras are released for analysis; sign for them, or withdraw.")
    gate.add_argument("action", choices=["list", "sign", "withdraw"])
    gate.add_argument("--by", default="", help="Who signs or withdraws: the name that is kept.")
    gate.add_argument("--area", help="Code of the area whose cameras are meant; default: all.")
    gate.add_argument("--camera", action="append", default=[], help="Only this one; may be given again.")
    gate.add_argument("--why", default="", help="Of a withdrawal.")
    lanes = command("import-lanes", _import_lanes, "Add or change fire lanes (YAML, GeoJSON); prints what changes.")
    lanes.add_argument("file", type=Path)
    lanes.add_argument("--remove-missing", action="store_true", help="Remove lanes that the file does not name.")
    lanes.add_argument("--dry-run", action="store_true", help="Check the whole file and change nothing.")
    rosters = command("import-rosters", _import_rosters, "Replace people's duty rosters (CSV); prints what changes.")
    rosters.add_argument("file", type=Path)
    rosters.add_argument("--dry-run", action="store_true", help="Check the whole file and change nothing.")
    contacts = command("import-contacts", _import_contacts, "Write how people are reached (CSV, xlsx); prints changes.")
    contacts.add_argument("file", type=Path)
    contacts.add_argument("--dry-run", action="store_true", help="Check the whole file and change nothing.")
    user = command("add-user", _add_user, "Add a person; the password comes on standard input.")
    user.add_argument("--username", required=True)
    user.add_argument("--display-name", default="")
    user.add_argument("--role", required=True, choices=[role.value for role in Role])
    user.add_argument("--area", required=True, help="Code of the root of what this person sees.")
    user.add_argument("--holder", help="The person's number: of personnel, or at the identity provider.")
    user.add_argument("--password-stdin", action="store_true", required=True, help="Read it from standard input.")
    change = command("change-user", _change_user, "Change a person's account; ends the person's sessions.")
    change.add_argument("--username", required=True)
    change.add_argument("--role", choices=[role.value for role in Role])
    change.add_argument("--area", help="Code of the root of what this person sees.")
    change.add_argument("--holder", help="The person's number: of personnel, or at the identity provider.")
    switch = change.add_mutually_exclusive_group()
    switch.add_argument("--disable", dest="disabled", action="store_const", const=True)
    switch.add_argument("--enable", dest="disabled", action="store_const", const=False)
    change.add_argument("--forget-second-factor", action="store_true", help="The phone is lost: enrol anew.")
    command("check-accounts", _check_accounts, "Name accounts that break the rule of the three administrators.")
    node = command("add-node", _add_node, "Register an edge node; prints its token once.")
    node.add_argument("--node-id", required=True)
    node.add_argument("--area", help="Code of the area it belongs to; default: the root.")
    node.add_argument("--renew", action="store_true", help="A new token for a registered node; the old one ends.")
    receiver = command("add-receiver", _add_receiver, "Let another system fetch CAP messages; prints its token once.")
    receiver.add_argument("--receiver-id", required=True)
    receiver.add_argument("--area", default="", help="Code of the area whose messages it may fetch.")
    receiver.add_argument("--remove", action="store_true", help="Its token no longer works.")
    source = command("add-source", _add_source, "Register a sensor or station for the webhook; prints its key.")
    source.add_argument("--source-id", required=True)
    source.add_argument("--name", default="", help="As people call it.")
    source.add_argument("--area", help="Code of the area it may speak for.")
    source.add_argument("--place", help="LONGITUDE,LATITUDE (WGS84) where it stands; left out: each signal says where.")
    also = source.add_mutually_exclusive_group()
    also.add_argument("--renew", action="store_true", help="A new key for a registered source; the old one ends.")
    also.add_argument("--disable", action="store_true", help="Nothing is taken from it any more.")
    hook = command("add-webhook", _add_webhook, "Tell another system of incidents by HTTP; prints the key it checks.")
    hook.add_argument("--webhook-id", required=True)
    hook.add_argument("--area", default="", help="Code of the area it is told of.")
    hook.add_argument("--url", default="", help="Where to post, https://…; http:// only within private_targets.")
    also = hook.add_mutually_exclusive_group()
    also.add_argument("--renew", action="store_true", help="A new key; the old one signs nothing any more.")
    also.add_argument("--again", action="store_true", help="Tell once more, from the first dead letter on.")
    also.add_argument("--remove", action="store_true", help="It is told nothing any more.")
    command("webhooks", _webhooks, "Whom the centre tells, how far each has been told, what could not be told.")
    key = command("signing-key", _signing_key, "Print the public key that nodes need to take rules from this centre.")
    key.add_argument("--make", action="store_true", help="Make the key when there is none yet.")
    audit = command("verify-audit", _verify_audit, "Walk the audit chain; exit 1 when it is broken.")
    audit.add_argument("--known-head", help="POSITION:HASH printed earlier, which must still be on the chain.")
    again = command("roll-up-again", _roll_up_again, "Have the figures of these days counted anew by the worker.")
    again.add_argument("--from", dest="first", type=date.fromisoformat, required=True, metavar="YYYY-MM-DD")
    again.add_argument("--to", dest="last", type=date.fromisoformat, required=True, metavar="YYYY-MM-DD")
    assess = command("impact-assessment", _impact_assessment, "Write the impact assessment of an area, to be printed.")
    assess.add_argument("--area", help="Code of the area; default: the root.")
    assess.add_argument("--language", choices=["zh", "en"], default="zh")
    assess.add_argument("--out", type=Path, required=True, metavar="FILE.html")
    notices = command("camera-notices", _camera_notices, "Write a notice page for each camera, and an index of them.")
    notices.add_argument("--area", help="Code of the area; default: the root.")
    notices.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    command("retention", _retention, "What has been kept long enough and would go now; changes nothing.")
    quarantine = command("quarantine", _quarantine, "What nodes sent that could not be understood.")
    quarantine.add_argument("action", choices=["list", "replay"])
    quarantine.add_argument("quarantine_id", nargs="?")
    return parser


def _with_database(options: argparse.Namespace, act: Callable[[Database], Awaitable[Lines]]) -> int:
    """Open the configured database, act, print what came of it."""
    config = load_centre(options.config)

    async def run() -> Lines:
        database = await Database.open(config.centre.database_url, wait_s=COMMAND_WAIT_S)
        try:
            return await act(database)
        finally:
            await database.close()

    for text in asyncio.run(run()):
        print(text)
    return DONE


def _init(options: argparse.Namespace) -> int:
    config = load_centre(options.config)
    load_policies(config.centre.policies)
    _make_data_dir(config)

    async def act(database: Database) -> Lines:
        await database.migrate()
        return ["the database is ready"]

    return _with_database(options, act)


def _make_data_dir(config: CentreConfig) -> None:
    config.centre.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)


def _import_areas(options: argparse.Namespace) -> int:
    table = load_areas(options.file)

    async def act(database: Database) -> Lines:
        return await administration.take_areas(database, table, at=system_wall(), remove_missing=options.remove_missing)

    return _with_database(options, act)


def _import_cameras(options: argparse.Namespace) -> int:
    register = load_cameras(options.file)

    async def act(database: Database) -> Lines:
        return await administration.take_cameras(database, register, at=system_wall())

    return _with_database(options, act)


def _camera_gate(options: argparse.Namespace) -> int:
    chosen = load_centre(options.config).centre.camera_gate
    who: dict[str, Any] = {"by": options.by, "camera_ids": options.camera, "at": system_wall()}

    async def act(database: Database) -> Lines:
        if options.action == "sign":
            return await camera_gate_commands.signed(database, area_code=options.area, **who)
        if options.action == "withdraw":
            return await camera_gate_commands.withdrawn(database, why=options.why, **who)
        gate = Gate(chosen) if chosen else None
        return await camera_gate_commands.told(database, gate, area_code=options.area, at=who["at"])

    return _with_database(options, act)


def _import_lanes(options: argparse.Namespace) -> int:
    table = load_lanes(options.file)

    async def act(database: Database) -> Lines:
        return await administration.take_lanes(
            database, table, at=system_wall(), dry_run=options.dry_run, remove_missing=options.remove_missing
        )

    return _with_database(options, act)


def _import_rosters(options: argparse.Namespace) -> int:
    table = read_roster_table(options.file)

    async def act(database: Database) -> Lines:
        return await administration.take_rosters(database, table, at=system_wall(), dry_run=options.dry_run)

    return _with_database(options, act)


def _import_contacts(options: argparse.Namespace) -> int:
    channels = load_centre(options.config).centre.notices.channels
    table = read_contact_table(options.file, channels)

    async def act(database: Database) -> Lines:
        return await administration.take_contacts(database, table, channels, at=system_wall(), dry_run=options.dry_run)

    return _with_database(options, act)


def _add_user(options: argparse.Namespace) -> int:
    password = sys.stdin.readline().rstrip("\r\n")

    async def act(database: Database) -> Lines:
        return await administration.new_user(
            database,
            username=options.username,
            display_name=options.display_name,
            role=options.role,
            area_code=options.area,
            password=password,
            at=system_wall(),
            holder=options.holder,
        )

    return _with_database(options, act)


def _change_user(options: argparse.Namespace) -> int:
    async def act(database: Database) -> Lines:
        return await administration.changed_user(
            database,
            username=options.username,
            role=options.role,
            area_code=options.area,
            holder=options.holder,
            disabled=options.disabled,
            forget_second_factor=options.forget_second_factor,
            at=system_wall(),
        )

    return _with_database(options, act)


def _check_accounts(options: argparse.Namespace) -> int:
    told: Lines = []

    async def act(database: Database) -> Lines:
        nonlocal told
        told = await administration.check_accounts(database)
        return told or ["every account keeps the rule of the three administrators"]

    status = _with_database(options, act)
    return REFUSED if told else status


def _add_node(options: argparse.Namespace) -> int:
    async def act(database: Database) -> Lines:
        return await administration.new_node(
            database, node_id=options.node_id, area_code=options.area, renew=options.renew, at=system_wall()
        )

    return _with_database(options, act)


def _add_receiver(options: argparse.Namespace) -> int:
    async def act(database: Database) -> Lines:
        if options.remove:
            return await administration.end_receiver(database, receiver_id=options.receiver_id, at=system_wall())
        return await administration.new_receiver(
            database, receiver_id=options.receiver_id, area_code=options.area, at=system_wall()
        )

    return _with_database(options, act)


def _add_source(options: argparse.Namespace) -> int:
    config = load_centre(options.config)
    _make_data_dir(config)
    key_path = config.centre.data_dir / INTAKE_KEY

    async def act(database: Database) -> Lines:
        if options.renew or options.disable:
            return await administration.change_source(
                database, key_path, source_id=options.source_id, renew=options.renew, at=system_wall()
            )
        return await administration.new_source(
            database,
            key_path,
            source_id=options.source_id,
            name=options.name or options.source_id,
            area_code=options.area or "",
            place=administration.read_place(options.place),
            at=system_wall(),
        )

    return _with_database(options, act)


def _add_webhook(options: argparse.Namespace) -> int:
    config = load_centre(options.config)
    _make_data_dir(config)
    key_path = config.centre.data_dir / INTAKE_KEY
    hook: dict[str, Any] = {"webhook_id": options.webhook_id, "at": system_wall()}

    async def act(database: Database) -> Lines:
        if options.remove:
            return await telling_others.end_webhook(database, **hook)
        if options.again:
            return await telling_others.webhook_again(database, **hook)
        if options.renew:
            return await telling_others.renew_webhook(database, key_path, **hook)
        return await telling_others.new_webhook(database, key_path, area_code=options.area, url=options.url, **hook)

    return _with_database(options, act)


def _webhooks(options: argparse.Namespace) -> int:
    return _with_database(options, telling_others.webhooks_told)


def _signing_key(options: argparse.Namespace) -> int:
    from xueliang_central.camera_rules.sending import make_key, read_key

    config = load_centre(options.config)
    path = config.centre.signing_key_path
    if options.make:
        _make_data_dir(config)
        try:
            make_key(path)
        except FileExistsError:
            print(f"{path}: there is a key already; this is its public one", file=sys.stderr)
        except OSError as error:
            print(f"{path}: cannot be written: {error.strerror}", file=sys.stderr)
            return REFUSED
    key = read_key(path)
    if key is None:
        print(f"{path}: no key that can be used; make one: xueliang-centre signing-key --make", file=sys.stderr)
        return REFUSED
    print(key.public.text)
    return DONE


def _verify_audit(options: argparse.Namespace) -> int:
    is_whole = False

    async def act(database: Database) -> Lines:
        nonlocal is_whole
        is_whole, told = await administration.check_audit(database, options.known_head)
        return told

    status = _with_database(options, act)
    return status if is_whole else REFUSED


def _roll_up_again(options: argparse.Namespace) -> int:
    async def act(database: Database) -> Lines:
        return await administration.roll_up_again(database, options.first, options.last)

    return _with_database(options, act)


def _retention(options: argparse.Namespace) -> int:
    policy = load_centre(options.config).centre.retention

    async def act(database: Database) -> Lines:
        return await administration.what_would_go(database, policy, at=system_wall())

    return _with_database(options, act)


def _impact_assessment(options: argparse.Namespace) -> int:
    from xueliang_central.disclosure.writing import write_assessment

    chosen = load_centre(options.config).centre

    async def act(database: Database) -> Lines:
        return await write_assessment(
            database, chosen, options.out, area_code=options.area, language=options.language, at=system_wall()
        )

    return _with_database(options, act)


def _camera_notices(options: argparse.Namespace) -> int:
    from xueliang_central.disclosure.writing import write_notices

    chosen = load_centre(options.config).centre

    async def act(database: Database) -> Lines:
        return await write_notices(database, chosen, options.out, area_code=options.area, at=system_wall())

    return _with_database(options, act)


def _quarantine(options: argparse.Namespace) -> int:
    from xueliang_central.ingest import quarantine  # only this command needs ingest's machinery

    async def act(database: Database) -> Lines:
        return await quarantine.command(database, options.action, options.quarantine_id, at=system_wall())

    return _with_database(options, act)


def _serve(options: argparse.Namespace) -> int:
    from xueliang_central.cap.checking import check_sharing
    from xueliang_central.serving import serve  # the web server and all roles are loaded by this command only

    config = one_process(load_centre(options.config), roles=options.role, port=options.port)
    policies = load_policies(config.centre.policies)
    check_channels(config, policies)
    check_sharing(config, policies)
    _make_data_dir(config)
    return asyncio.run(serve(config, policies, wall=system_wall, mono=system_mono, stop_within_s=STOP_WITHIN_S))


if __name__ == "__main__":
    sys.exit(main())

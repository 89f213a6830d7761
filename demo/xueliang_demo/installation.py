"""One box with everything on it: embedded broker, centre on SQLite, one edge node. The demo and the tests start it.

The folder holds all of it and survives: secrets, configuration, spool, database. A second start finds it intact, with
other cameras too; a set-up that was cut off is gone on with.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx
import yaml

from xueliang_alerts.embedded_broker import EmbeddedBroker, NodeUser
from xueliang_demo.api_client import Person
from xueliang_demo.centre_commands import Command, run_commands
from xueliang_demo.city import City, MadeArea
from xueliang_demo.private_files import make_private_folder, write_private
from xueliang_demo.processes import Program, free_port, wait_until

NODE_ID: Final = "edge-demo"
# Made-up or chosen pictures, and nobody's street: whoever starts the demonstration answers for it, and it says so.
DEMO_SIGNER: Final = "演示安装程序"
DEMO_ENTRIES: Final = {
    "purpose": "演示：试看系统如何工作",
    "legal_basis": "演示，画面由启动演示者提供，不用于执法",
    "approved_view": "演示画面",
}
START_LIMIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class WatchedCamera:
    """A camera of the node: its place in the register, its URL, and its rules as an operator writes them."""

    camera_id: str
    name: str
    url: str
    area_code: str | None
    longitude: float
    latitude: float
    place_class: str = "residential"
    rules: tuple[dict[str, Any], ...] = ()
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Account:
    """Who may log in: role, and the code of the area whose subtree is theirs."""

    username: str
    role: str
    area_code: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to set up. `detector` is the node's "objects" detector as the configuration writes it."""

    city: City
    cameras: tuple[WatchedCamera, ...]
    registered: tuple[dict[str, Any], ...]
    accounts: tuple[Account, ...]
    policies: dict[str, Any]
    detector: dict[str, Any] = field(default_factory=lambda: {"model": "embedded"})
    database_url: str | None = None


class _Plain(yaml.SafeDumper):
    """Writes a value out each time: the readers refuse anchors and aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class's signature
        return True


class Installation:
    """Starts and stops the whole box; a context manager."""

    def __init__(self, folder: Path, plan: Plan, *, http_port: int | None = None) -> None:
        folder = folder.resolve()
        self.folder, self._plan = folder, plan
        self.http_port = http_port or free_port()
        self.broker_port, self.health_port = free_port(), free_port()
        self.origin = f"http://127.0.0.1:{self.http_port}"
        self._secrets = self._load_secrets()
        self._broker = EmbeddedBroker(
            folder / "broker",
            nodes=[NodeUser(NODE_ID, self._secrets["broker_node"])],
            centre_password=self._secrets["broker_centre"],
            port=self.broker_port,
        )
        self.centre = self._program(
            "centre", "xueliang_central.cli", ["--config", str(folder / "centre.yaml"), "serve"]
        )
        self.node = self._program("node", "xueliang_edge.cli", ["run", "--config", str(folder / "node.yaml")])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def password_of(self, username: str) -> str:
        return str(self._secrets["accounts"][username])

    def log_in(self, username: str) -> Person:
        return Person(self.origin, username, self.password_of(username))

    def start_programs_for(self, plan: Plan) -> None:
        """`start` with a plan that knows more: the addresses of cameras that were not open yet before."""
        self._plan = plan
        self.start()

    def start(self) -> None:
        """Everything up and answering. Raises ProcessEnded or TimeoutError."""
        self.start_broker()
        self.set_up()
        self.node.start()  # waits for nobody: it watches and keeps its alerts until the centre is up
        self.start_centre()

    def set_up(self) -> None:
        """Files and database as the plan says; at every start. Raises ProcessEnded.

        An earlier set-up may have been cut off anywhere: each step has no effect when repeated, and a person or node
        that was added and not noted is noted now.
        """
        self._write_configuration()
        added = self._secrets.setdefault("accounts_added", [])
        missing = [account for account in self._plan.accounts if account.username not in added]
        add_node = Command(("add-node", "--node-id", NODE_ID))
        commands = [Command(("migrate",)), Command(("import-areas", str(self.folder / "areas.geojson")))]
        commands += [self._add_user(account) for account in missing]
        commands.append(Command(("import-cameras", str(self.folder / "cameras.yaml"))))
        if self._plan.cameras:
            commands.append(self._sign_for_cameras())
        if "node_token" not in self._secrets:
            commands.append(add_node)
        *_, told = self._centre_commands(*commands)
        added += [account.username for account in missing]
        if "node_token" not in self._secrets:
            if told is None:  # it was registered, and its token, which is printed once, is lost
                (told,) = self._centre_commands(Command((*add_node.arguments, "--renew")))
            self._secrets["node_token"] = str(told).split()[-1]
        self._save_secrets(self._secrets)
        self.node = self._program("node", "xueliang_edge.cli", ["run", "--config", str(self.folder / "node.yaml")])

    def _add_user(self, account: Account) -> Command:
        who = ("--username", account.username, "--role", account.role, "--area", account.area_code)
        whose = ("--holder", f"demo-{account.username}")  # an administrator's account names its holder
        name = ("--display-name", account.display_name, "--password-stdin")
        return Command(("add-user", *who, *whose, *name), stdin=self.password_of(account.username))

    def _sign_for_cameras(self) -> Command:
        """Those that the node watches: what is stated of them in the register says that this is a demonstration."""
        named = [word for camera in self._plan.cameras for word in ("--camera", camera.camera_id)]
        return Command(("camera-gate", "sign", "--by", DEMO_SIGNER, *named))

    def _centre_commands(self, *commands: Command) -> list[str | None]:
        return run_commands(commands, self.folder / "centre.yaml", self._environment())

    def start_centre(self) -> None:
        self.centre.start()
        with httpx.Client(timeout=2.0, trust_env=False) as http:  # one: each reads all certificates of the machine
            wait_until(lambda: self._centre_is_ready(http), "the centre to answer", START_LIMIT_S)

    def stop(self) -> None:
        """In the order of the path, so that nothing is in the air: node, centre, broker."""
        self.node.stop()
        self.centre.stop()
        self.stop_broker()

    def kill(self) -> None:
        """As a power cut would, all at once: for who has no time and does not need the data again."""
        self.node.kill()
        self.centre.kill()
        self.kill_broker()
        self.stop()

    def must_run(self) -> None:
        """Raises ProcessEnded when a program has ended by itself."""
        self.centre.must_run()
        self.node.must_run()

    def start_broker(self) -> None:
        """Its data stay in the folder: what was queued or retained is there again."""
        self._broker.start()

    def kill_broker(self) -> None:
        """As a power cut would; `start_broker` brings it back."""
        self._broker.kill()

    def stop_broker(self) -> None:
        self._broker.stop()

    def _centre_is_ready(self, http: httpx.Client) -> bool:
        self.centre.must_run()
        try:
            answer = http.get(f"{self.origin}/api/health")
        except httpx.HTTPError:
            return False
        return answer.status_code == 200 and not answer.json().get("waiting_for")

    def _program(self, name: str, module: str, arguments: Sequence[str]) -> Program:
        return Program(name, module, arguments, self.folder / "logs", self._environment())

    def _environment(self) -> dict[str, str]:
        return {
            "XUELIANG_BROKER_PASSWORD": self._secrets["broker_node"],
            "XUELIANG_CENTRE_BROKER_PASSWORD": self._secrets["broker_centre"],
            "XUELIANG_NODE_TOKEN": self._secrets.get("node_token", "not-yet"),
        }

    def _load_secrets(self) -> dict[str, Any]:
        """Made once, kept readable by the owner only."""
        make_private_folder(self.folder)
        path = self.folder / "secrets.json"
        kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        kept.setdefault("broker_node", secrets.token_urlsafe(18))
        kept.setdefault("broker_centre", secrets.token_urlsafe(18))
        accounts = kept.setdefault("accounts", {})
        for account in self._plan.accounts:
            accounts.setdefault(account.username, secrets.token_urlsafe(9))
        self._save_secrets(kept)
        return kept

    def _save_secrets(self, kept: dict[str, Any]) -> None:
        write_private(self.folder / "secrets.json", json.dumps(kept, indent=1))

    def _write_configuration(self) -> None:
        files = {
            "node.yaml": self._node_settings(),
            "centre.yaml": self._centre_settings(),
            "policies.yaml": self._plan.policies,
            "cameras.yaml": {
                "cameras": [
                    *self._plan.registered,
                    *(_register_entry(one, self._stated()) for one in self._plan.cameras),
                ]
            },
        }
        for name, content in files.items():
            text = yaml.dump(content, Dumper=_Plain, allow_unicode=True, sort_keys=False)
            write_private(self.folder / name, text)
        geojson = json.dumps(self._plan.city.to_geojson(), ensure_ascii=False)
        write_private(self.folder / "areas.geojson", geojson)

    def _stated(self) -> dict[str, Any]:
        """The entries that a camera needs before it is analysed, the same at every start."""
        day = self._secrets.setdefault("set_up_on", datetime.now(UTC).date().isoformat())
        self._save_secrets(self._secrets)
        return DEMO_ENTRIES | {"signed_on": day, "view_approved_on": day}

    def _node_settings(self) -> dict[str, Any]:
        broker = {"host": "127.0.0.1", "port": self.broker_port, "username": NODE_ID}
        return {
            "node": {
                "node_id": NODE_ID,
                "data_dir": str(self.folder / "edge"),
                "broker": broker | {"password": "${XUELIANG_BROKER_PASSWORD}"},
                "centre": {"url": self.origin, "token": "${XUELIANG_NODE_TOKEN}"},
                "health": {"host": "127.0.0.1", "port": self.health_port},
            },
            "detectors": {"objects": self._plan.detector},
            "cameras": [
                {
                    "camera_id": camera.camera_id,
                    "name": camera.name,
                    "url": camera.url,
                    "place_class": camera.place_class,
                    "rules": list(camera.rules),
                    **camera.more,
                }
                for camera in self._plan.cameras
            ],
        }

    def _centre_settings(self) -> dict[str, Any]:
        broker = {"host": "127.0.0.1", "port": self.broker_port, "username": "centre"}
        settings: dict[str, Any] = {
            "data_dir": str(self.folder / "centre"),
            "http": {"host": "127.0.0.1", "port": self.http_port},
            "broker": broker | {"password": "${XUELIANG_CENTRE_BROKER_PASSWORD}"},
            "policies": str(self.folder / "policies.yaml"),
        }
        if self._plan.database_url:
            settings["database"] = self._plan.database_url
        return {"centre": settings}


def _register_entry(camera: WatchedCamera, stated: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "camera_id": camera.camera_id,
        "name": camera.name,
        "longitude": camera.longitude,
        "latitude": camera.latitude,
        "place_class": camera.place_class,
        "node_id": NODE_ID,
        **stated,
    }
    return entry | ({"area_code": camera.area_code} if camera.area_code else {})


def area_of(city: City, level: str, index: int = 0) -> MadeArea:
    return city.of_level(level)[index]

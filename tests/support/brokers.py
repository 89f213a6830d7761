"""Real brokers for tests: the NATS server of the product, and Mosquitto with the configuration we ship.

with running_broker("nats", tmp_path, node_ids=["edge-01"]) as broker:
    link = broker.node_link("edge-01")        # connected as that node
    centre = broker.centre_link("centre-0a")  # connected as the centre
    broker.kill(); broker.start()             # SIGKILL, then the same broker on its data
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

import pytest

from tests.support.fixtures import leave_out
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.embedded_broker import EmbeddedBroker, NodeUser, StationUser
from xueliang_alerts.errors import BrokerProgramMissing
from xueliang_alerts.mqtt_link import MqttLink, MqttSettings
from xueliang_alerts.transport import Inbox, LastWill

BrokerKind = Literal["nats", "mosquitto"]
BROKER_KINDS: tuple[BrokerKind, ...] = ("nats", "mosquitto")
CENTRE_USER = "centre"
REPOSITORY = Path(__file__).resolve().parents[2]


def wait_until(condition: Callable[[], object], *, what: str, timeout_s: float = 30.0) -> None:
    """Wait for a condition; fail with `what` was awaited when it does not come."""
    give_up = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > give_up:
            pytest.fail(f"waited {timeout_s:g} s in vain for: {what}")
        time.sleep(0.02)


class _Process(Protocol):
    @property
    def pid(self) -> int | None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...


class TestBroker:
    """A running broker and the passwords of its users (a node's user name is its node_id)."""

    __test__ = False

    def __init__(self, kind: BrokerKind, process: _Process, port: int, passwords: dict[str, str]) -> None:
        self.kind = kind
        self.host = "127.0.0.1"
        self.port = port
        self.centre_user = CENTRE_USER
        self._process = process
        self._passwords = passwords
        self._links: list[MqttLink] = []

    @property
    def pid(self) -> int:
        found = self._process.pid
        if found is None:
            raise RuntimeError("the broker is not running")
        return found

    def password(self, user: str) -> str:
        return self._passwords[user]

    def start(self) -> None:
        self._process.start()

    def stop(self) -> None:
        self._process.stop()

    def kill(self) -> None:
        """SIGKILL; nothing is saved on the way out."""
        self._process.kill()

    def restart(self) -> None:
        """SIGKILL and start again on the same data and port."""
        self.kill()
        self.start()

    def settings(self, user: str, *, client_id: str | None = None) -> MqttSettings:
        return MqttSettings(
            host=self.host,
            port=self.port,
            client_id=client_id or user,
            username=user,
            password=self._passwords[user],
            reconnect_min_s=0.1,
            reconnect_max_s=1.0,
        )

    def node_link(self, node_id: str, *, will: LastWill | None = None, connect: bool = True) -> MqttLink:
        return self._link(self.settings(node_id), will, connect=connect)

    def centre_link(
        self, client_id: str = "centre-00", *, connect: bool = True, inbox: Inbox | None = None
    ) -> MqttLink:
        return self._link(self.settings(CENTRE_USER, client_id=client_id), None, connect=connect, inbox=inbox)

    def _link(
        self, settings: MqttSettings, will: LastWill | None, *, connect: bool, inbox: Inbox | None = None
    ) -> MqttLink:
        link = MqttLink(settings, mono=system_mono, will=will, inbox=inbox)
        self._links.append(link)
        if connect:
            link.connect()
            wait_until(lambda: link.state.is_connected, what=f"{settings.client_id} connected, state {link.state}")
        return link

    def close_links(self) -> None:
        for link in self._links:
            link.close()


class _Mosquitto:
    """Mosquitto on the configuration of deploy/mosquitto, with paths and port of this test."""

    def __init__(self, program: str, directory: Path, passwords: dict[str, str], port: int) -> None:
        self._program, self._directory, self._port = program, directory, port
        self._child: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        self._configuration = directory / "mosquitto.conf"
        self._configuration.write_text(self._adapted())
        shutil.copy(REPOSITORY / "deploy/mosquitto/xueliang.acl", directory / "xueliang.acl")
        passwd = directory / "xueliang.passwd"
        passwd.write_text("".join(f"{user}:{password}\n" for user, password in passwords.items()))
        passwd.chmod(0o600)
        (directory / "xueliang.acl").chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-U", str(passwd)], check=True, capture_output=True, timeout=60)

    def _adapted(self) -> str:
        shipped = (REPOSITORY / "deploy/mosquitto/mosquitto.conf").read_text()
        for old, new in (
            ("/etc/mosquitto/", f"{self._directory}/"),
            ("/var/lib/mosquitto/", f"{self._directory}/"),
            ("listener 1883 ", f"listener {self._port} "),
        ):
            assert old in shipped, f"deploy/mosquitto/mosquitto.conf no longer contains {old!r}"
            shipped = shipped.replace(old, new)
        if os.geteuid() == 0:
            shipped += "user root\n"  # else it drops to a user that cannot read this folder
        return shipped

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    def start(self) -> None:
        with (self._directory / "mosquitto.log").open("ab") as output:
            self._child = subprocess.Popen(
                [self._program, "-c", str(self._configuration)], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        child = self._child
        wait_until(
            lambda: child.poll() is not None or _is_listening(self._port), what=f"mosquitto listening on {self._port}"
        )
        if child.poll() is not None:
            pytest.fail(f"mosquitto ended: {(self._directory / 'mosquitto.log').read_text()[-500:]}")

    def stop(self) -> None:
        if self._child is not None:
            self._child.terminate()
            try:
                self._child.wait(10)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
            self._child = None

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None


def _is_listening(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def free_port() -> int:
    """A TCP port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _new_process(
    kind: BrokerKind, directory: Path, passwords: dict[str, str], port: int, stations: Sequence[str]
) -> _Process:
    if kind == "nats":
        others = {CENTRE_USER, *stations}
        nodes = [NodeUser(user, password) for user, password in passwords.items() if user not in others]
        theirs = [StationUser(source_id, passwords[source_id]) for source_id in stations]
        try:
            return EmbeddedBroker(
                directory, nodes=nodes, stations=theirs, centre_password=passwords[CENTRE_USER], port=port
            )
        except BrokerProgramMissing as error:
            leave_out(str(error))
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        leave_out("the mosquitto program is not installed (Debian: apt-get install mosquitto)")
    return _Mosquitto(program, directory, passwords, port)


@contextlib.contextmanager
def running_broker(
    kind: BrokerKind, directory: Path, *, node_ids: Sequence[str], source_ids: Sequence[str] = ()
) -> Iterator[TestBroker]:
    """A broker with one user per node and station and the user "centre"; stopped on the way out, its links closed."""
    passwords = {user: f"secret of {user}" for user in (*node_ids, *source_ids, CENTRE_USER)}
    port = free_port()
    process = _new_process(kind, directory / f"{kind}-broker", passwords, port, source_ids)
    broker = TestBroker(kind, process, port, passwords)
    process.start()
    try:
        yield broker
    finally:
        broker.close_links()
        process.stop()

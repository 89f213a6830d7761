"""The broker in the box as a process: it starts, refuses clearly, keeps its data, and never outlives its owner."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.brokers import free_port, wait_until
from xueliang_alerts.broker_program import find_program
from xueliang_alerts.clocks import system_mono
from xueliang_alerts.embedded_broker import EmbeddedBroker, NodeUser
from xueliang_alerts.errors import BrokerProgramMissing, BrokerStartFailed
from xueliang_alerts.mqtt_link import MqttLink, MqttSettings
from xueliang_alerts.topics import station_topic
from xueliang_alerts.transport import LinkPhase

try:
    find_program()
except BrokerProgramMissing as missing:
    if os.environ.get("CI"):
        raise
    pytest.skip(str(missing), allow_module_level=True)

REPOSITORY = Path(__file__).resolve().parents[3]


def a_broker(directory: Path, port: int = 0) -> EmbeddedBroker:
    nodes = [NodeUser("edge-01", 'pass "word" $HOME {} \\ 密')]
    return EmbeddedBroker(directory, nodes=nodes, centre_password="of the centre", port=port)


def a_link(broker: EmbeddedBroker, user: str, password: str, client_id: str | None = None) -> MqttLink:
    settings = MqttSettings(
        host=broker.host, port=broker.port, client_id=client_id or user, username=user, password=password
    )
    link = MqttLink(settings, mono=system_mono)
    link.connect()
    wait_until(lambda: link.state.phase in (LinkPhase.CONNECTED, LinkPhase.REFUSED), what=f"an answer, {link.state}")
    return link


def test_its_configuration_is_readable_by_its_owner_only_and_any_password_works(tmp_path: Path) -> None:
    with a_broker(tmp_path / "broker") as broker:
        mode = stat.S_IMODE((tmp_path / "broker" / "broker.json").stat().st_mode)
        assert mode == 0o600
        link = a_link(broker, "edge-01", 'pass "word" $HOME {} \\ 密')
        assert link.state.is_connected
        link.close()
    assert not broker.is_running


def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    with a_broker(tmp_path / "broker") as broker:
        table = Path(f"/proc/{broker.pid}/net/tcp")
        if not table.exists():
            pytest.skip("no /proc on this system")
        inodes = set()
        for descriptor in Path(f"/proc/{broker.pid}/fd").iterdir():
            try:
                inodes.add(descriptor.readlink().name.removeprefix("socket:[").removesuffix("]"))
            except OSError:
                continue
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
        listening = [row[1] for row in rows if row[3] == "0A" and row[9] in inodes]
        assert f"0100007F:{broker.port:04X}" in listening
        assert all(address.startswith("0100007F:") for address in listening)
        rows6 = [line.split() for line in Path(f"/proc/{broker.pid}/net/tcp6").read_text().splitlines()[1:]]
        assert not [row for row in rows6 if row[3] == "0A" and row[9] in inodes]


def test_a_port_in_use_is_a_clear_refusal(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        broker = a_broker(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(BrokerStartFailed, match="already in use"):
            broker.start()


def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    (tmp_path / "broker" / "store").write_text("a file where the folder should be")
    broker = a_broker(tmp_path / "broker")
    with pytest.raises(BrokerStartFailed, match="ended with status"):
        broker.start()
    assert not broker.is_running


def test_queued_and_retained_messages_survive_a_kill(tmp_path: Path) -> None:
    with a_broker(tmp_path / "broker") as broker:
        sleeper = a_link(broker, "centre", "of the centre", "centre-sleeper")
        sleeper.subscribe("xueliang/v1/#")
        speaker = a_link(broker, "centre", "of the centre", "centre-speaker")
        assert speaker.publish("xueliang/v1/probe", b"subscribed?").wait(10)
        assert sleeper.get(10) is not None
        sleeper.close()
        for number in range(50):
            assert speaker.publish("xueliang/v1/queued", str(number).encode()).wait(10)
        assert speaker.publish("xueliang/v1/kept", b"retained", retain=True).wait(10)
        speaker.close()
        broker.kill()
        broker.start()
        again = MqttLink(
            MqttSettings(
                host=broker.host,
                port=broker.port,
                client_id="centre-sleeper",
                username="centre",
                password="of the centre",
            ),
            mono=system_mono,
        )
        again.subscribe("xueliang/v1/#")
        again.connect()
        queued: set[bytes] = set()
        retained = False

        def everything_came() -> bool:
            nonlocal retained
            incoming = again.get(1)
            if incoming is not None:
                incoming.acknowledge()
                if incoming.topic.endswith("/queued"):
                    queued.add(incoming.payload)
                retained = retained or incoming.topic.endswith("/kept")
            return len(queued) == 50 and retained

        wait_until(everything_came, what="fifty queued messages and the retained one")
        again.close()


def test_a_node_added_while_it_runs_may_connect_and_others_stay_connected(tmp_path: Path) -> None:
    with a_broker(tmp_path / "broker") as broker:
        first = a_link(broker, "centre", "of the centre")
        broker.add_nodes([NodeUser("edge-09", "new")])

        def admitted() -> bool:
            link = a_link(broker, "edge-09", "new")
            try:
                return link.state.is_connected
            finally:
                link.close()

        wait_until(admitted, what="edge-09 admitted")
        assert first.state.generation == 1, "the others were not thrown out"
        first.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the death signal of a parent is Linux's")
def test_it_does_not_outlive_an_owner_that_is_killed(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from xueliang_alerts.embedded_broker import EmbeddedBroker
broker = EmbeddedBroker(Path({str(tmp_path)!r}), centre_password="x", port={free_port()})
broker.start()
print(broker.pid, flush=True)
input()
"""
    owner = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    owner.send_signal(signal.SIGKILL)
    owner.wait(10)
    wait_until(lambda: _is_gone(pid), what=f"process {pid} gone")
    owner.stdout.close()


def _is_gone(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" in status.read_text()


@pytest.mark.parametrize("has_station", [False, True], ids=["nodes", "a station too"])
def test_the_configuration_we_ship_for_a_server_of_ones_own_is_valid(tmp_path: Path, has_station: bool) -> None:
    environment = os.environ | {"EDGE_01_PASSWORD": "a", "CENTRE_PASSWORD": "b", "GAUGE_SOUTH_PASSWORD": "c"}
    shipped = (REPOSITORY / "deploy/nats/nats-server.conf").read_text()
    comments = ('# { user: "gauge-south"', "# GAUGE_SOUTH: {")
    assert all(comment in shipped for comment in comments)
    assert "xueliang.v1." + station_topic("gauge-south").split("/", 2)[2].replace("/", ".") in shipped
    if has_station:
        for comment in comments:
            shipped = shipped.replace(comment, comment[2:])
    else:
        del environment["GAUGE_SOUTH_PASSWORD"]
    (tmp_path / "server.conf").write_text(shipped)
    result = subprocess.run(
        [str(find_program()), "-t", "-c", str(tmp_path / "server.conf")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert result.returncode == 0, result.stderr


def test_without_the_program_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    def nothing(_name: str) -> None:
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(importlib.metadata, "files", nothing)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(BrokerProgramMissing, match=r"pip install"):
        find_program()


def test_a_password_never_shows_in_repr() -> None:
    assert "secret" not in repr(NodeUser("edge-01", "secret"))
    assert json.dumps(repr(MqttSettings(host="h", client_id="c", password="secret"))).count("secret") == 0

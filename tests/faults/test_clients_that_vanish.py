"""Clients that go away in the middle of an answer cost the centre nothing but that answer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import httpx
import pytest

from tests.support.puppet_node import CentreOnly
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Plan, WatchedCamera

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ROUNDS = 40
SIDE_BY_SIDE = 8
LEAVES_WITHIN_S = 0.004  # an answer of a question to the database takes about that long


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CentreOnly]:
    city = make_city(DEMO)
    grid = city.of_level("grid")[0]
    place = grid.polygon.representative_point()
    cameras = (WatchedCamera("cam-0", "东巷0号", "file:none.mp4", grid.code, place.x, place.y),)
    with CentreOnly(tmp_path, Plan(city, cameras, (), (), POLICIES)) as installation:
        installation.start()
        yield installation


def ask_and_vanish(port: int, random: Random) -> None:
    """Some at once, each leaving at its own moment: an answer's head is on its way, and its body finds nobody."""
    clients = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(SIDE_BY_SIDE)]
    for client in clients:
        client.sendall(b"GET /api/session/ways HTTP/1.1\r\nHost: centre\r\n\r\n")
    for client in clients:
        time.sleep(random.random() * LEAVES_WITHIN_S)
        client.close()


def test_the_centre_outlives_clients_that_leave_in_the_middle_of_an_answer(centre: CentreOnly) -> None:
    port = int(centre.origin.rpartition(":")[2])
    random = Random(1)
    for _ in range(ROUNDS):
        ask_and_vanish(port, random)
        centre.centre.must_run()
    assert httpx.get(f"{centre.origin}/api/session/ways", timeout=20).status_code == 200


def test_a_reader_that_has_seen_enough_of_a_commands_lines_is_no_error(centre: CentreOnly) -> None:
    reads, writes = os.pipe()
    os.close(reads)  # as `| head -0` does
    command = [
        sys.executable,
        "-m",
        "xueliang_central.cli",
        "--config",
        str(centre.folder / "centre.yaml"),
        "retention",
    ]
    environment = {**os.environ, "XUELIANG_CENTRE_BROKER_PASSWORD": "of no use here"}
    try:
        done = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, env=environment, timeout=60, check=False)
    finally:
        os.close(writes)
    assert (done.returncode, b"BrokenPipe" in done.stderr) == (0, False), done.stderr

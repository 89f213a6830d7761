"""Child programs are started, spoken to and ended for sure; nothing a child does holds up or takes over its node."""

from __future__ import annotations

import itertools
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.support.holdings import Holdings
from xueliang_alerts.contract import EvidenceKind
from xueliang_edge.children import Child, RestartBudget
from xueliang_edge.errors import ChildGone
from xueliang_edge.looks import PictureHandle

MODULE = "tests.support.odd_child"
SECRET = "canary-7f3a"


@contextmanager
def odd_child(settings: object = "none", fds: tuple[int, ...] = ()) -> Iterator[Child]:
    child = Child.start(MODULE, settings, name="odd", fds=fds)
    try:
        assert child.receive(20) == ("settings were", settings)
        yield child
    finally:
        child.kill()


def wait_until(holds: Callable[[], bool], what: str, timeout_s: float = 10.0) -> None:
    deadline_mono_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline_mono_s, f"{what}: not within {timeout_s} s"
        time.sleep(0.01)


@pytest.mark.parametrize(
    "value",
    [
        7,
        "text",
        [1.5, None, True],
        {"a": (1, 2)},
        Counter(a=2),
        datetime(2026, 1, 1, tzinfo=UTC),
        EvidenceKind.ONSET,
        PictureHandle("gate", 1, 2, 4, (640, 360)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_plain_values_go_there_and_back(value: object) -> None:
    with odd_child() as child:
        assert child.send(("echo", value))
        assert child.receive(10) == value


def test_arrays_go_there_and_back() -> None:
    with odd_child() as child:
        for array in (np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((0, 4), np.float32), np.eye(3)[:, :2]):
            assert child.send(("echo", array))
            back = child.receive(10)
            assert isinstance(back, np.ndarray)
            assert back.dtype == array.dtype
            assert (back == array).all()
        child.send(("echo", np.float32(1.5)))
        assert child.receive(10) == 1.5


def test_settings_are_not_on_the_command_line_nor_in_the_environment() -> None:
    with odd_child({"url": f"rtsp://u:{SECRET}@h/1"}) as child:
        child.send(("look",))
        seen = child.receive(10)
        assert SECRET not in str(seen)
        assert SECRET not in " ".join(psutil.Process(child.pid).cmdline())


def test_a_child_holds_its_line_and_what_it_was_given_and_nothing_else() -> None:
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as kept:
        given.write(b"for the child")
        given.flush()
        os.set_inheritable(kept.fileno(), True)
        with odd_child(fds=(given.fileno(),)) as child, odd_child() as other:
            child.send(("read", given.fileno()))
            assert child.receive(10) == b"for the child"
            other.send(("look",))
            seen = other.receive(10)
            assert isinstance(seen, dict)
            assert seen["fds"] == 5  # three standard ones, its line, and the listing itself


def test_a_child_that_ends_is_noticed_told_and_reaped() -> None:
    with odd_child() as child:
        child.send(("end", 3))
        with pytest.raises(ChildGone, match="closed"):
            child.receive(10)
        wait_until(lambda: not child.is_alive, "the child ended")
        assert child.how_it_ended == "ended with status 3"
        assert not psutil.pid_exists(child.pid), "a zombie is left"
        assert child.send(("echo", 1)) is False


def test_a_killed_child_is_noticed() -> None:
    with odd_child() as child:
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(ChildGone):
            child.receive(10)
        wait_until(lambda: not child.is_alive, "the child ended")
        assert child.how_it_ended == "killed by SIGKILL"


def test_a_child_that_takes_nothing_never_holds_up_its_node() -> None:
    with odd_child() as child:
        os.kill(child.pid, signal.SIGSTOP)
        began, sent = time.monotonic(), 0
        while child.send(("echo", "x" * 300)):
            sent += 1
            assert sent < 10_000, "its buffer has no end"
        assert sent >= 50, "a line that takes nothing is of no use"
        assert time.monotonic() - began < 2.0
        os.kill(child.pid, signal.SIGCONT)
        for _ in range(sent):
            assert child.receive(10) == "x" * 300


def test_a_message_that_stops_in_the_middle_costs_a_bounded_time() -> None:
    with odd_child() as child:
        child.send(("send half",))
        began = time.monotonic()
        with pytest.raises(ChildGone, match="receiving"):
            child.receive(10)
        assert time.monotonic() - began < 10


def test_what_a_child_says_never_runs_code_in_its_node(tmp_path: Path) -> None:
    with odd_child() as child:
        child.send(("send forbidden", str(tmp_path / "made")))
        with pytest.raises(ChildGone, match="may not send"):
            child.receive(10)
        assert not (tmp_path / "made").exists()
    with odd_child() as child:
        child.send(("send rubbish",))
        with pytest.raises(ChildGone, match="could not be understood"):
            child.receive(10)


def test_a_healthy_child_ends_in_order_and_a_hanging_one_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODD_CHILD_MARKER", str(tmp_path / "marker"))
    with odd_child() as child:
        child.close(10)
        assert not child.is_alive
        assert child.how_it_ended == "ended with status 0"
        assert (tmp_path / "marker").read_text() == "ended in order"
    with odd_child() as child:
        child.send(("hang",))
        began = time.monotonic()
        child.close(0.2)
        assert not child.is_alive
        assert child.how_it_ended == "killed by SIGKILL"
        assert time.monotonic() - began < 5


def test_a_child_ignores_what_a_terminal_sends_to_all() -> None:
    with odd_child() as child:
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(child.pid, number)
        child.send(("echo", 1))
        assert child.receive(10) == 1


def test_nothing_is_left_of_many_children() -> None:
    with odd_child():
        pass  # the thread that starts children exists from here on
    before = Holdings.now()
    for number in range(6):
        with odd_child() as child:
            if number % 2:
                child.close(5)
    for module in ("no.such.module", MODULE):
        child = Child.start(module, 1, name="odd")
        child.kill()
        child.kill()
    assert Holdings.now() == before


@pytest.mark.skipif(sys.platform != "linux", reason="Linux ends children with their parent")
def test_a_hanging_child_dies_with_its_node_even_when_that_is_killed() -> None:
    node = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import threading, time\n"
            "from xueliang_edge.children import Child\n"
            "def begin():\n"
            f"    child = Child.start({MODULE!r}, 1, name='odd')\n"
            "    child.receive(20); child.send(('hang',)); keep.append(child); print(child.pid, flush=True)\n"
            "keep = []\n"
            "thread = threading.Thread(target=begin); thread.start(); thread.join()\n"
            "time.sleep(600)\n",
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert node.stdout is not None
    child = psutil.Process(int(node.stdout.readline()))
    time.sleep(0.2)
    assert child.is_running(), "it must outlive the thread that asked for it"
    assert child.status() != psutil.STATUS_ZOMBIE
    node.kill()
    node.communicate()
    gone, _ = psutil.wait_procs([child], timeout=5)
    assert gone, "the child outlived its node"


def test_a_child_logs_as_its_node_does_without_secrets(capfd: pytest.CaptureFixture[str]) -> None:
    logging.getLogger().setLevel(logging.WARNING)
    child = Child.start("tests.support.talkative_child", f"rtsp://user:{SECRET}@10.0.0.9/1", name="talks")
    with pytest.raises(ChildGone):
        child.receive(20)
    child.close(5)
    said = capfd.readouterr().err
    assert "camera is odd" in said
    assert "url=rtsp://" in said
    assert "not told" not in said
    assert SECRET not in said


def test_restarts_are_few_then_slow() -> None:
    budget = RestartBudget()
    taken = [second for second in range(1200) if budget.spend(float(second))]
    assert taken[:3] == [0, 1, 2]
    assert all(later - earlier >= 60 for earlier, later in itertools.pairwise(taken[2:]))
    assert len(taken) <= 3 + 20
    assert budget.next_mono_s(5000.0) == 5000.0
    assert [budget.spend(5000.0), budget.spend(5000.5), budget.spend(5001.0)] == [True, False, True]

"""F19 to F24, as far as the detector goes: whatever happens to a worker, its question becomes unknown in time, a new
worker takes its place within a budget, and nothing is left behind."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.support.detectors import Driver, change_model, copied_model, detector_children
from tests.support.holdings import Holdings
from tests.support.limits import no_more_descriptors
from tests.support.shared_pictures import SharedPicture, shared_picture
from xueliang_alerts.contract import EvidenceKind
from xueliang_edge.detection import Seen, StillRequest, Unknown, WorkerHealth
from xueliang_edge.detector_children import DetectorChildren
from xueliang_edge.detector_worker import Patience
from xueliang_edge.evidence.masking import Refused
from xueliang_edge.evidence.stills import Region, Still

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and limits of Linux")

WHOLE = Region(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), np.zeros((0, 4), np.float32))
BUDGET = 3


@pytest.fixture(scope="module")
def picture() -> Iterator[SharedPicture]:
    image = np.random.default_rng(4).integers(0, 256, (360, 640, 3), dtype=np.uint8)
    with shared_picture(image) as one:
        yield one


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


def worker(detection: DetectorChildren) -> WorkerHealth:
    return detection.describe()[0]


def pid_of(detection: DetectorChildren) -> int:
    pid = worker(detection).pid
    assert pid is not None
    return pid


def ask(driver: Driver, picture: SharedPicture, ticket: int, seconds: float = 10.0) -> None:
    assert driver.detection.submit(ticket, picture.handle, "objects", soon(seconds))


def kill_in_the_middle(driver: Driver, picture: SharedPicture, ticket: int) -> int:
    """Stopped, asked, killed: it certainly had the question and certainly did not answer. Its number."""
    pid = pid_of(driver.detection)
    os.kill(pid, signal.SIGSTOP)
    ask(driver, picture, ticket, 30)
    os.kill(pid, signal.SIGKILL)
    return pid


@pytest.mark.slow
def test_a_child_killed_in_the_middle_of_a_question_is_replaced_and_nothing_leaks(picture: SharedPicture) -> None:
    with detector_children(picture) as detection:
        driver = Driver(detection)
        driver.all_idle()
        before = Holdings.now()
        for ticket in (1, 2, 3):
            pid = kill_in_the_middle(driver, picture, ticket)
            assert driver.answer(ticket, timeout_s=5) == Unknown("detector_died")
            assert "killed by SIGKILL" in (detection.problem or "")
            driver.all_idle()
            assert detection.problem is None
            assert pid_of(detection) != pid
            assert not psutil.pid_exists(pid)
            ask(driver, picture, 10 + ticket)
            assert isinstance(driver.answer(10 + ticket), Seen)
        assert Holdings.now() == before
        assert worker(detection).restarts == detection.counts["restarts"] == 3
        assert detection.counts["detector_died"] == 3


def test_a_child_killed_under_a_still_gives_no_still_and_the_next_one_does(picture: SharedPicture) -> None:
    request = StillRequest(picture.handle, EvidenceKind.ONSET, WHOLE)
    with detector_children(picture) as detection:
        driver = Driver(detection)
        driver.all_idle()
        os.kill(pid_of(detection), signal.SIGKILL)
        died = detection.compose_still(request, picture.scene, soon())
        assert died in (Refused("detector_died"), Refused("detector_down"))
        driver.all_idle()
        assert isinstance(detection.compose_still(request, picture.scene, soon()), Still)
        os.kill(pid_of(detection), signal.SIGSTOP)
        began = time.monotonic()
        assert detection.compose_still(request, picture.scene, soon(0.5)) == Refused("detector_late")
        assert time.monotonic() - began < 1.5


def test_one_worker_dying_costs_the_others_nothing(picture: SharedPicture) -> None:
    with detector_children(picture, count=2) as detection:
        driver = Driver(detection)
        driver.all_idle()
        kill_in_the_middle(driver, picture, 1)
        ask(driver, picture, 2)
        assert isinstance(driver.answer(2, timeout_s=5), Seen)
        assert driver.answer(1, timeout_s=5) == Unknown("detector_died")
        driver.all_idle()
        assert [one.restarts for one in detection.describe()] == [1, 0]


def test_a_stopped_child_is_late_then_killed_within_its_patience_then_replaced(picture: SharedPicture) -> None:
    with detector_children(picture, patience=Patience(answer_s=1.5)) as detection:
        driver = Driver(detection)
        driver.all_idle()
        pid = pid_of(detection)
        os.kill(pid, signal.SIGSTOP)
        ask(driver, picture, 1, seconds=0.5)
        began = time.monotonic()
        assert driver.answer(1, timeout_s=5) == Unknown("detector_late")
        late_s = time.monotonic() - began
        assert 0.4 < late_s < 1.4, "late is said at the deadline, not when patience ends"
        assert psutil.pid_exists(pid)
        assert not detection.submit(2, picture.handle, "objects", soon()), "a worker that hangs takes nothing"
        driver.until(lambda: not psutil.pid_exists(pid), "the stopped child is killed", 5)
        assert "gave no sign for 1.5 s" in (detection.problem or "")
        driver.all_idle()
        ask(driver, picture, 3)
        assert isinstance(driver.answer(3), Seen)
        assert set(driver.answers) == {1, 3}


def test_a_child_stopped_while_idle_is_missed_too(picture: SharedPicture) -> None:
    with detector_children(picture, patience=Patience(idle_s=1.0)) as detection:
        driver = Driver(detection)
        driver.all_idle()
        pid = pid_of(detection)
        os.kill(pid, signal.SIGSTOP)
        driver.until(lambda: not psutil.pid_exists(pid), "the stopped child is killed", 5)
        driver.all_idle()
        assert detection.counts["restarts"] == 1


def test_a_child_stopped_for_a_while_goes_on_and_its_late_answer_reaches_nobody(picture: SharedPicture) -> None:
    with detector_children(picture) as detection:
        driver = Driver(detection)
        driver.all_idle()
        pid = pid_of(detection)
        os.kill(pid, signal.SIGSTOP)
        ask(driver, picture, 1, seconds=0.3)
        assert driver.answer(1) == Unknown("detector_late")
        os.kill(pid, signal.SIGCONT)
        driver.all_idle()
        ask(driver, picture, 2)
        assert isinstance(driver.answer(2), Seen)
        assert pid_of(detection) == pid
        assert detection.counts == {"detector_late": 1, "answers": 1, "restarts": 0}


@pytest.mark.slow
def test_a_child_without_memory_is_begun_anew_within_twenty_seconds_and_within_its_budget() -> None:
    large = np.random.default_rng(4).integers(0, 256, (1440, 2560, 3), dtype=np.uint8)
    with shared_picture(large) as picture, detector_children(picture) as detection:
        request = StillRequest(picture.handle, EvidenceKind.ONSET, WHOLE)
        driver = Driver(detection)
        driver.all_idle()
        for number in range(BUDGET + 1):
            assert worker(detection).restarts == number
            pid, began = pid_of(detection), time.monotonic()
            resource.prlimit(pid, resource.RLIMIT_AS, (1 << 20, resource.RLIM_INFINITY))  # no page more than it has
            while worker(detection).pid == pid:
                still = detection.compose_still(request, picture.scene, soon())
                assert isinstance(still, Refused), "a still needs no memory: this test proves nothing"
                assert time.monotonic() - began < 20
                detection.check(time.monotonic())
            if number < BUDGET:
                driver.all_idle()
                assert time.monotonic() - began < 20
        assert worker(detection).state == "down"
        assert worker(detection).restarts == BUDGET
        assert "ended with status 3" in (detection.problem or "")
        detection.check(time.monotonic() + 35)  # the last try was at most 20 s ago
        assert worker(detection).restarts == BUDGET, "after its budget at most one try a minute"
        detection.check(time.monotonic() + 61)
        driver.all_idle()
        assert isinstance(detection.compose_still(request, picture.scene, soon()), Still)


@pytest.mark.slow
def test_a_model_file_broken_while_running_keeps_saying_why_until_it_is_mended(
    picture: SharedPicture, tmp_path: Path
) -> None:
    settings, path = copied_model(tmp_path)
    good = path.read_bytes()
    with detector_children(picture, [settings]) as detection:
        driver = Driver(detection)
        driver.all_idle()
        path.write_bytes(b"garbage" * 100)
        ask(driver, picture, 1)
        assert isinstance(driver.answer(1), Seen), "what was opened serves on"
        kill_in_the_middle(driver, picture, 2)
        assert driver.answer(2) == Unknown("detector_died")
        driver.until(lambda: worker(detection).restarts == BUDGET and worker(detection).state == "down", "three tries")
        assert f"{path}: 700 bytes, no whole ONNX model" in (detection.problem or "")
        assert not detection.submit(3, picture.handle, "objects", soon())
        for _ in range(20):
            detection.check(time.monotonic())
        assert worker(detection).restarts == BUDGET
        path.write_bytes(good)
        detection.check(time.monotonic() + 61)
        driver.all_idle()
        assert detection.problem is None
        ask(driver, picture, 4)
        assert isinstance(driver.answer(4), Seen)


@pytest.mark.slow
def test_another_model_in_the_same_place_is_not_taken_up_by_a_restart(picture: SharedPicture, tmp_path: Path) -> None:
    settings, path = copied_model(tmp_path)
    with detector_children(picture, [settings]) as detection:
        driver = Driver(detection)
        driver.all_idle()
        digest = detection.models["objects"].digest
        change_model(path)
        kill_in_the_middle(driver, picture, 1)
        driver.until(lambda: "is another file" in (detection.problem or ""), "the other file is refused")
        assert worker(detection).state == "down"
        assert detection.models["objects"].digest == digest
    with detector_children(picture, [settings]) as detection:
        assert detection.models["objects"].digest != digest, "a restart of the node takes it"


def test_without_descriptors_no_worker_is_begun_the_node_says_so_and_recovers(picture: SharedPicture) -> None:
    with detector_children(picture, count=2) as detection:
        driver = Driver(detection)
        driver.all_idle()
        before = Holdings.now()
        pid = pid_of(detection)
        os.kill(pid, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(pid)], timeout=5) if psutil.pid_exists(pid) else None
        detection.answers()
        with no_more_descriptors(os.getpid()):
            detection.check(time.monotonic())
            assert "cannot be begun: Too many open files" in (detection.problem or "")
            ask(driver, picture, 1)
            (number, answer) = detection.answers(10)[0]
            assert number == 1
            assert isinstance(answer, Seen), "the worker that runs goes on"
        driver.all_idle()
        assert Holdings.now() == before


def test_a_node_killed_at_once_leaves_no_child_and_no_shared_memory(picture: SharedPicture) -> None:
    script = (
        "import time\n"
        "import numpy as np\n"
        "from tests.support.shared_pictures import shared_picture\n"
        "from tests.support.detectors import detector_children\n"
        "with shared_picture(np.zeros((1080, 1920, 3), np.uint8)) as one, detector_children(one) as detection:\n"
        "    print(detection.describe()[0].pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    node = psutil.Popen(
        [sys.executable, "-c", script],
        stdout=-1,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    child = psutil.Process(int(node.stdout.readline()))
    regions = [fd for fd in Path(f"/proc/{child.pid}/fd").iterdir() if "/dev/shm/" in str(fd.readlink())]
    assert sum(fd.stat().st_size for fd in regions) >= 4 * 3 * 3_000_000, "this test did not see the region"
    # Without a name the memory ends with the last process that holds it.
    assert all(fd.stat().st_nlink == 0 for fd in regions)
    node.kill()
    node.communicate()
    gone, _ = psutil.wait_procs([child], timeout=5)
    assert gone

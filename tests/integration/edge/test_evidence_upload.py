"""Pictures reach the centre by hash, behind the alerts, and every refusal has its words. Against a real HTTP server."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from xueliang_alerts.contract import EvidenceKind
from xueliang_edge.evidence import uploading
from xueliang_edge.evidence.stills import Still
from xueliang_edge.evidence.uploading import EvidenceStore, Uploader

TOKEN = "node-token-canary"


def still(number: int, size: int = 2000) -> Still:
    jpeg = b"\xff\xd8" + number.to_bytes(4, "big") * (size // 4)
    return Still(EvidenceKind.ONSET, jpeg, hashlib.sha256(jpeg).hexdigest(), (640, 360))


class Centre:
    """Keeps what is put, answers what it is told to."""

    def __init__(self) -> None:
        self.received: dict[str, bytes] = {}
        self.answer: Callable[[str], int] | None = None
        self.requests: Counter[str] = Counter()
        self.tokens: set[str] = set()
        centre = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._reply(200 if self._name() in centre.received else 404)

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = centre.answer(self._name()) if centre.answer is not None else 201
                if status == 201:
                    centre.received[self._name()] = body
                self._reply(status)

            def _name(self) -> str:
                return self.path.rpartition("/")[2]

            def _reply(self, status: int) -> None:
                centre.requests[self.command] += 1
                centre.tokens.add(self.headers["Authorization"])
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def centre() -> Iterator[Centre]:
    one = Centre()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "evidence")


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "BACKOFF_S", (0.02, 0.05))


@pytest.fixture
def uploader(centre: Centre, store: EvidenceStore) -> Iterator[Uploader]:
    one = Uploader(store, centre.url, TOKEN, mono=time.monotonic, alerts_waiting=lambda: False)
    yield one
    one.close()


def until(condition: Callable[[], bool], what: Callable[[], object], timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.01)


def test_pictures_arrive_unchanged_with_the_nodes_token(
    centre: Centre, store: EvidenceStore, uploader: Uploader
) -> None:
    stills = [still(number) for number in range(5)]
    for one in stills:
        assert store.keep(one, severity=2)
    uploader.start()
    until(lambda: store.pending_count() == 0, lambda: store.counts)
    assert centre.received == {one.sha256: one.jpeg for one in stills}
    assert centre.tokens == {f"Bearer {TOKEN}"}
    assert store.counts["sent"] == 5


def test_what_the_centre_has_already_is_not_sent_again(
    centre: Centre, store: EvidenceStore, uploader: Uploader
) -> None:
    one = still(1)
    centre.received[one.sha256] = one.jpeg
    store.keep(one, severity=2)
    uploader.start()
    until(lambda: store.pending_count() == 0, lambda: store.counts)
    assert centre.requests["PUT"] == 0
    assert store.counts["already_there"] == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "token"), (403, "token"), (404, "knows no alert"), (500, "does not answer"), (302, "does not answer")],
)
def test_a_refusal_that_may_pass_keeps_the_picture_and_says_why(
    centre: Centre, store: EvidenceStore, uploader: Uploader, status: int, words: str
) -> None:
    centre.answer = lambda _: status
    store.keep(still(1), severity=2)
    uploader.start()
    until(lambda: words in (uploader.problem or ""), lambda: uploader.problem)
    assert TOKEN not in (uploader.problem or "")
    assert store.pending_count() == 1
    centre.answer = None
    until(lambda: store.pending_count() == 0, lambda: uploader.counts)
    until(lambda: uploader.problem is None, lambda: uploader.problem)


@pytest.mark.parametrize(("status", "reason"), [(413, "too_large"), (422, "refused"), (400, "refused")])
def test_a_refusal_for_good_gives_the_picture_up_and_counts_it(
    centre: Centre, store: EvidenceStore, uploader: Uploader, status: int, reason: str
) -> None:
    centre.answer = lambda _: status
    store.keep(still(1), severity=2)
    uploader.start()
    until(lambda: store.pending_count() == 0, lambda: uploader.counts)
    assert store.counts[reason] == 1


def test_an_unknown_picture_does_not_hold_up_the_others(
    centre: Centre, store: EvidenceStore, uploader: Uploader
) -> None:
    stranger = still(1)
    centre.answer = lambda name: 404 if name == stranger.sha256 else 201
    store.keep(stranger, severity=1)
    for number in range(2, 6):
        store.keep(still(number), severity=3)
    uploader.start()
    until(lambda: len(centre.received) == 4, lambda: centre.received.keys())


def test_pictures_stand_behind_the_alerts(centre: Centre, store: EvidenceStore) -> None:
    waiting = threading.Event()
    waiting.set()
    one = Uploader(store, centre.url, TOKEN, mono=time.monotonic, alerts_waiting=waiting.is_set)
    store.keep(still(1), severity=2)
    one.start()
    try:
        time.sleep(0.5)
        assert not centre.requests
        waiting.clear()
        until(lambda: store.pending_count() == 0, lambda: one.counts)
    finally:
        one.close()


def test_pictures_survive_a_restart_and_an_unreachable_centre(tmp_path: Path, centre: Centre) -> None:
    first = EvidenceStore(tmp_path)
    kept = still(1)
    first.keep(kept, severity=2)
    nowhere = Uploader(first, "http://127.0.0.1:9", TOKEN, mono=time.monotonic, alerts_waiting=lambda: False)
    nowhere.start()
    until(lambda: nowhere.counts["no_answer"] > 1, lambda: nowhere.counts)
    nowhere.close()
    (tmp_path / "torn.jpg.part").write_bytes(b"half a pic")
    again = EvidenceStore(tmp_path)
    assert again.pending_count() == 1
    assert [path.name[-8:] for path in tmp_path.iterdir()] == [f"{kept.sha256[-4:]}.jpg"]
    later = Uploader(again, centre.url, TOKEN, mono=time.monotonic, alerts_waiting=lambda: False)
    later.start()
    until(lambda: again.pending_count() == 0, lambda: later.counts)
    later.close()
    assert centre.received[kept.sha256] == kept.jpeg


def test_a_full_store_gives_up_the_least_severe_first_and_counts_it(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path, cap_bytes=10_100)
    for number, severity in enumerate((1, 4, 3, 4, 2)):
        assert store.keep(still(number), severity)
    assert store.keep(still(10), severity=1)
    assert store.counts["evicted"] == 1
    assert store.keep(still(11), severity=1)
    left = sorted(path.name[0] for path in tmp_path.iterdir())
    assert left == ["1", "1", "1", "2", "3"]
    assert not store.keep(still(12), severity=4)
    assert store.counts["no_room"] == 1


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path / "evidence")
    store.keep(still(1), severity=2)
    assert (tmp_path / "evidence").stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "evidence").iterdir())

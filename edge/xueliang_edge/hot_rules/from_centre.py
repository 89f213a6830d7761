"""The centre's side of rules that change while the node runs: what it wants comes in, what runs goes out.

Invariants
    - Nothing is believed that none of the node's `centre_keys` has signed, nothing that is for another node, and
      nothing older than what this camera has had from the centre: that is kept on the disk (`centre.json`, and in the
      versions themselves), so that a restart forgets none of it.
    - Every message is counted; every one that was believed is answered, and the answer is said again until the broker
      has it.
    - The transport's thread only puts messages into a queue with a bound. One that finds no room is not acknowledged:
      it comes again.
    - What was refused is not tried again by itself: rules must not change later, when nobody expects it.
    - A few reports at a time, the next when the broker has the last: alerts pass between.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from xueliang_alerts.contract import MAX_MESSAGE_BYTES, NotUnderstood, to_bytes
from xueliang_alerts.desired import (
    PROBLEMS_AT_MOST,
    DesiredAnswer,
    DesiredRules,
    Outcome,
    ReportedRules,
    RuleProblem,
    RunningRules,
    read_desired,
)
from xueliang_alerts.errors import TransportError
from xueliang_alerts.signing import PublicKey
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Incoming, PublishHandle, Transport
from xueliang_configs.cameras import CameraRules
from xueliang_configs.errors import ConfigError
from xueliang_edge.background import write_atomically
from xueliang_edge.hot_rules.comparing import RuleRefused
from xueliang_edge.hot_rules.orders import CameraAnswer, Order
from xueliang_edge.hot_rules.versions import RulesVersion, VersionFiles

log = logging.getLogger(__name__)

WAITING_AT_MOST: Final = 512  # twice the cameras a node may have; the centre sends one a change
REPORTS_AT_ONCE: Final = 8  # of 2 kB: two seconds of a 64 kbit/s line
SAID_AGAIN_S: Final = 3600.0  # whole, in case the centre or the broker lost it: 3 MB a day from 64 cameras
COUNTED: Final = (
    "received",
    "not_understood",
    "foreign",
    "unknown_camera",
    "old",
    "repeated",
    "no_room",
    "applied",
    "refused",
    "said",
    "not_said",
    "not_kept",
)
_FILE: Final = "centre.json"
_ORDER: Final = "centre-"


@dataclass(frozen=True, slots=True)
class _Said:
    """The last report of one camera.

    Attributes:
        what: what it said, without the settings.
        handle: of its publish; whole: of the last one that had the settings of this version.
    """

    what: tuple[object, ...]
    version: int
    generation: int
    handle: PublishHandle
    whole: PublishHandle
    whole_mono_s: float


class FromCentre:
    """`start` before the transport connects; `waiting`, `answered` and `report` from one thread, the follower's."""

    def __init__(
        self,
        node_id: str,
        transport: Transport,
        keys: Sequence[PublicKey],
        files: VersionFiles,
        camera_ids: Iterable[str],
        *,
        wall: Callable[[], datetime],
        mono: Callable[[], float],
    ) -> None:
        """Without keys nothing is taken; what runs is said all the same. Reads `files`, and does not write yet."""
        self._node_id, self._transport, self._keys = node_id, transport, tuple(keys)
        self._desired, self._reported = (
            node_topic(node_id, leaf) for leaf in (Leaf.CONFIG_DESIRED, Leaf.CONFIG_REPORTED)
        )
        self._path, self._wall, self._mono = files.folder / _FILE, wall, mono
        self._queue: queue.Queue[bytes] = queue.Queue(WAITING_AT_MOST)
        kept, seen = _read(self._path)
        newest = {name: _newest_of(files.all(name)) for name in camera_ids}
        self._had = {name: max(one.version if one else 0, seen.get(name, 0)) for name, one in newest.items()}
        # Killed before it could answer: what is a version here was taken, and is not taken again over a later change.
        taken = {name: one for name, one in newest.items() if one is not None}
        self._kept = kept | {
            name: one for name, one in taken.items() if name not in kept or kept[name].version < one.version
        }
        self._answers = dict(self._kept)
        self._said: dict[str, _Said] = {}
        self._under_way: list[PublishHandle] = []
        self._generation = 0
        self.news = threading.Event()
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))  # all there: others read it meanwhile

    def start(self) -> None:
        if self._keys:
            self._transport.subscribe(self._desired, self._take)

    def _take(self, incoming: Incoming) -> None:
        """In the transport's thread."""
        self.counts["received"] += 1
        try:
            self._queue.put_nowait(incoming.payload)
        except queue.Full:
            self.counts["no_room"] += 1
            return
        incoming.acknowledge()
        self.news.set()

    def waiting(self, runs: Mapping[str, RulesVersion]) -> Iterator[DesiredRules]:
        """What has come since and is to be taken, in order. `runs`: by camera_id."""
        while True:
            try:
                payload = self._queue.get_nowait()
            except queue.Empty:
                return
            try:
                desired = read_desired(payload, self._keys)
            except NotUnderstood as error:
                self._left("not_understood", error.reason)
                continue
            if self._is_to_be_taken(desired, runs):
                yield desired

    def _is_to_be_taken(self, desired: DesiredRules, runs: Mapping[str, RulesVersion]) -> bool:
        camera_id, version = desired.camera_id, desired.version
        if desired.node_id != self._node_id:
            self._left("foreign", f"for node {desired.node_id}")
        elif camera_id not in runs:
            self._left("unknown_camera", f"this node has no camera {camera_id}; its file must name it first")
        elif version < (newest := self._newest(camera_id)):
            self._left("old", f"version {version} of {camera_id} is older than {newest}, which came before")
        elif (answer := self._answers.get(camera_id)) is not None and answer.version == version:
            self.counts["repeated"] += 1
            self._said.pop(camera_id, None)  # whoever sends it again has not heard the answer
        else:
            return True
        return False

    def _left(self, reason: str, why: str) -> None:
        self.counts[reason] += 1
        log.warning("rules of the centre not taken", extra={"reason": reason, "why": why[:300]})

    def _newest(self, camera_id: str) -> int:
        """That this camera has had: taken since the start, kept as an answer, or as a version."""
        answer = self._answers.get(camera_id)
        return max(self._had.get(camera_id, 0), answer.version if answer is not None else 0)

    def answered(self, desired: DesiredRules, found: CameraAnswer | tuple[RuleProblem, ...]) -> None:
        """Keep what became of it. A node that was in trouble itself, a full disk say, may be asked again after its next
        start; rules that were refused for what they are may not."""
        is_trouble = isinstance(found, CameraAnswer) and found.outcome == "refused"
        if isinstance(found, CameraAnswer):
            problems = tuple(RuleProblem(where="", text=one[:600]) for one in found.problems)
            notes = found.notes
        else:
            problems, notes = found, ()
        answer = DesiredAnswer(
            version=desired.version,
            outcome=Outcome.REFUSED if problems else Outcome.APPLIED,
            at=self._wall(),
            problems=problems[:PROBLEMS_AT_MOST],
            notes=tuple(one[:400] for one in notes[:PROBLEMS_AT_MOST]),
        )
        self._answers[desired.camera_id] = answer
        self._had[desired.camera_id] = max(self._had.get(desired.camera_id, 0), desired.version)
        if not is_trouble:
            self._kept[desired.camera_id] = answer
        self.counts[answer.outcome.value] += 1
        for one in answer.problems:
            log.warning(
                "rules of the centre refused",
                extra={"camera_id": desired.camera_id, "version": desired.version, "where": one.where, "why": one.text},
            )
        self._keep()

    def _keep(self) -> None:
        answers = {name: one.model_dump(mode="json") for name, one in self._kept.items()}
        value = {"format": 1, "answers": answers, "seen": self._had}
        try:
            write_atomically(self._path, json.dumps(value, ensure_ascii=False).encode())
        except OSError as error:
            self.counts["not_kept"] += 1
            log.error("answers to the centre cannot be kept", extra={"why": str(error)})

    def report(self, runs: Mapping[str, RulesVersion]) -> None:
        """Say what is new, what nobody has heard yet, and now and then all of it."""
        state = self._transport.state
        if not state.is_connected:
            return
        if state.generation != self._generation:
            self._generation, self._under_way = state.generation, []
        self._under_way = [one for one in self._under_way if not one.is_acknowledged]
        if self._under_way:
            return
        due = [name for name, version in runs.items() if self._is_due(name, version)]
        due.sort(key=lambda name: name not in self._said)  # news before what a start says of all
        for name in due[:REPORTS_AT_ONCE]:
            try:
                self._say(name, runs[name])
            except TransportError:
                self.counts["not_said"] += 1
                return

    def _is_due(self, camera_id: str, version: RulesVersion) -> bool:
        said = self._said.get(camera_id)
        return (
            said is None
            or said.what != self._what(camera_id, version)
            or said.generation != self._generation
            or self._mono() - said.whole_mono_s >= SAID_AGAIN_S
        )

    def _what(self, camera_id: str, version: RulesVersion) -> tuple[object, ...]:
        answer = self._answers.get(camera_id)
        return (version.version, version.digest, None if answer is None else (answer.version, answer.at))

    def _say(self, camera_id: str, version: RulesVersion) -> None:
        """Raises TransportError."""
        said, now_mono_s = self._said.get(camera_id), self._mono()
        is_known = (
            said is not None
            and said.version == version.version
            and said.whole.is_acknowledged
            and now_mono_s - said.whole_mono_s < SAID_AGAIN_S
        )
        report = self._reported_of(camera_id, version, with_settings=not is_known)
        payload = to_bytes(report)
        if len(payload) > MAX_MESSAGE_BYTES:
            payload = to_bytes(self._reported_of(camera_id, version, with_settings=False))
        handle = self._transport.publish(self._reported, payload)
        self.counts["said"] += 1
        self._under_way.append(handle)
        whole, whole_mono_s = (said.whole, said.whole_mono_s) if said and is_known else (handle, now_mono_s)
        what = self._what(camera_id, version)
        self._said[camera_id] = _Said(what, version.version, self._generation, handle, whole, whole_mono_s)

    def _reported_of(self, camera_id: str, version: RulesVersion, *, with_settings: bool) -> ReportedRules:
        running = RunningRules(
            version=version.version,
            digest=version.digest,
            source=version.source.value,
            since=version.at,
            by=version.by[:200],
            note=version.note[:400],
            settings=dict(version.settings) if with_settings else None,
        )
        return ReportedRules(
            node_id=self._node_id,
            camera_id=camera_id,
            at=self._wall(),
            takes_rules=bool(self._keys),
            running=running,
            answer=self._answers.get(camera_id),
        )


def centre_order(desired: DesiredRules, part: CameraRules) -> Order:
    """As a command of the centre's: its id says which version, so that a start knows it again."""
    by = f"{desired.by}, {desired.approved_by}" if desired.approved_by else desired.by
    return Order(
        order_id=f"{_ORDER}{desired.version}", at=desired.made_at, cameras=(part,), note=desired.why, by=by[:200]
    )


def version_in(order_id: str) -> int:
    """The centre's version that an order of it was; 0: it was none."""
    number = order_id.removeprefix(_ORDER)
    return int(number) if order_id.startswith(_ORDER) and number.isascii() and number.isdigit() else 0


def problems_of_settings(error: ConfigError) -> tuple[RuleProblem, ...]:
    return tuple(
        RuleProblem(where=one.key[:200], text=one.text[:600], hint=one.hint[:400])
        for one in error.problems[:PROBLEMS_AT_MOST]
    )


def problems_of_rules(refused: Sequence[RuleRefused]) -> tuple[RuleProblem, ...]:
    return tuple(
        RuleProblem(where=".".join(map(str, one.key))[:200], text=one.text[:600], hint=one.hint[:400])
        for one in refused[:PROBLEMS_AT_MOST]
    )


def _newest_of(versions: Iterable[RulesVersion]) -> DesiredAnswer | None:
    """The newest version of the centre's among a camera's versions, as the answer that it was applied."""
    found = [(version_in(one.order_id), one.at) for one in versions if version_in(one.order_id)]
    if not found:
        return None
    version, at = max(found)
    return DesiredAnswer(version=version, outcome=Outcome.APPLIED, at=at)


def _read(path: Path) -> tuple[dict[str, DesiredAnswer], dict[str, int]]:
    """The answers, and the newest version that each camera has had, answered or not.

    Empty when there are none, or none that can be read: the versions still say which of the centre's runs.
    """
    try:
        value: Any = json.loads(path.read_bytes())
        answers = {str(name): DesiredAnswer.model_validate(one) for name, one in value["answers"].items()}
        return answers, {str(name): int(version) for name, version in value.get("seen", {}).items()}
    except FileNotFoundError:
        return {}, {}
    except (OSError, ValueError, ValidationError, KeyError, TypeError, AttributeError) as error:
        log.error("answers to the centre cannot be read", extra={"why": f"{type(error).__name__}: {error}"[:300]})
        return {}, {}

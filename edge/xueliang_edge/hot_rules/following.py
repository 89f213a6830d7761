"""Follows the settings file, the commands and the centre while the node runs: reads, checks, keeps a version, hands it
over.

Invariants
    - What is refused changes nothing: the running rules go on, and it is said where and why, and since when.
    - A camera's rules change all at once or not at all; one camera's refusal keeps no other camera back.
    - A file is read once it has not changed for a poll: an editor that writes it in pieces is waited for.
    - A version is on the disk before the main path gets it. A disk that refuses is tried again; until then the running
      rules go on.
    - Nothing here waits on the main path's account: reading, checking and writing are done by this thread.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from xueliang_alerts.desired import DesiredRules, RuleProblem
from xueliang_configs.errors import ConfigError, Problem
from xueliang_configs.loading import read_node, rules_from
from xueliang_configs.node import NodeConfig
from xueliang_edge.capture.orders import LearnView, RenewView, ViewOrder
from xueliang_edge.detection import OpenedModel
from xueliang_edge.health import RuleNotRunning
from xueliang_edge.hot_rules.comparing import (
    Change,
    Compared,
    Running,
    able,
    compare_camera,
    compare_file,
    digest_of,
    with_hot_part,
)
from xueliang_edge.hot_rules.from_centre import FromCentre, centre_order, problems_of_rules, problems_of_settings
from xueliang_edge.hot_rules.orders import Answer, CameraAnswer, Order, OrderFiles, ViewAsked, is_old
from xueliang_edge.hot_rules.realigning import ProposalFiles, Proposing
from xueliang_edge.hot_rules.versions import SAYS_THE_SAME, RulesVersion, Source, VersionFiles, version_of
from xueliang_edge.looks import KnownView
from xueliang_edge.pipeline import RulesChange
from xueliang_edge.watched_camera import WatchedRules

log = logging.getLogger(__name__)

POLL_S: Final = 1.0  # two files are asked for their state; a change is read at the second poll that sees it
TAKEN_WITHIN_S: Final = 5.0  # the main path takes a change between two looks; a quarter of a second is usual
DISK_AGAIN_S: Final = 10.0
COUNTED: Final = ("applied", "unchanged", "refused_file", "refused_command", "not_kept", "commands", "follow_failed")

State = tuple[int, int, int] | None
"""Of a file: modified, bytes, inode; None: it is not there."""
NEVER: Final[State] = (0, 0, 0)  # no file's state


@dataclass(frozen=True, slots=True)
class Refused:
    """Something in the settings file that is not in force, and since when."""

    problem: Problem
    since: datetime


class RulesFollower:
    """`poll` is one round; `start` has a thread do it. What it tells may be read by any thread."""

    def __init__(
        self,
        settings: Path | None,
        started: NodeConfig,
        running: Mapping[str, tuple[Running, RulesVersion]],
        files: VersionFiles,
        orders: OrderFiles,
        models: Mapping[str, OpenedModel],
        change: Callable[[WatchedRules], RulesChange],
        *,
        unkept: Iterable[RulesVersion],
        wall: Callable[[], datetime],
        mono: Callable[[], float],
        order_view: Callable[[ViewOrder], None] = lambda _: None,
        views_of: Callable[[str], tuple[KnownView, ...]] = lambda _: (),
        centre: FromCentre | None = None,
    ) -> None:
        """`settings`: the file that `started` was read from; None: no file is followed, only commands.

        `unkept`: those of `running` that the start made; their folder is there. `change` gives rules to the main path
        (`Pipeline.change`). `order_view` and `views_of`: to and from capture, about cameras that turn. `centre`: what
        it wants and is told; None in a node alone.
        """
        self._settings, self._started, self._files, self._orders = settings, started, files, orders
        self._models, self._change, self._wall, self._mono = models, change, wall, mono
        self._order_view, self._views_of, self._centre = order_view, views_of, centre
        self._news = threading.Event() if centre is None else centre.news
        self.proposing = Proposing(ProposalFiles(files.folder))
        self.running = {name: one for name, (one, _) in running.items()}
        self.versions = {name: version for name, (_, version) in running.items()}
        self._file_digests = {name: one.file_digest for name, one in self.running.items()}
        self.refused: tuple[Refused, ...] = ()
        self.read_at: datetime | None = None
        self.disk_problem: str | None = None
        self.proposals_problem: str | None = None  # of its own: no change of rules has to come to end it
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))  # all there: others read it meanwhile
        self._read: State = NEVER  # it may have changed since `started` was read
        self._seen: State = NEVER
        self._unkept = list(unkept)
        self._disk_again_mono_s = float("-inf")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rules", daemon=True)

    @property
    def not_running(self) -> tuple[RuleNotRunning, ...]:
        """Of all cameras: rules that are configured and cannot be judged."""
        return tuple(rule for one in list(self.running.values()) for rule in one.not_running)

    def differs_from_file(self, camera_id: str) -> bool:
        """True while a command's rules go on over what the file says."""
        return self.versions[camera_id].digest != self._file_digests.get(camera_id)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing new. It ends by itself; a disk that hangs in its write holds up nobody's stop."""
        self._stopping.set()
        self._news.set()

    def close(self) -> None:
        """After `stop`, when all else has been closed: it has ended by now, unless its disk hangs."""
        if self._thread.is_alive():
            log.warning("the disk has not ended a write of rules")

    def _run(self) -> None:
        due_mono_s = self._mono() + POLL_S
        while not self._stopping.is_set():
            self._news.wait(max(0.0, due_mono_s - self._mono()))
            self._news.clear()
            if self._stopping.is_set():
                return
            is_due = self._mono() >= due_mono_s
            due_mono_s = self._mono() + POLL_S if is_due else due_mono_s
            try:
                self.poll() if is_due else self.follow_centre()
            except Exception:
                self.counts["follow_failed"] += 1
                if self.counts["follow_failed"] == 1:
                    log.exception("changes of rules cannot be followed")

    def poll(self) -> None:
        """Take what the file or a command asks for, if there is something."""
        is_disk_asked = self._mono() >= self._disk_again_mono_s
        if is_disk_asked and self._unkept:
            self._keep_new()
        self._follow_commands()
        if is_disk_asked and self._settings is not None:
            self._follow_file(self._settings)
        if is_disk_asked:
            self._propose()
        self.follow_centre()

    # The centre.

    def follow_centre(self) -> None:
        """Take what it has sent since, then tell it what runs."""
        if self._centre is None:
            return
        for desired in self._centre.waiting(self.versions):
            self._centre.answered(desired, self._desired(desired))
        self._centre.report(self.versions)

    def _desired(self, desired: DesiredRules) -> CameraAnswer | tuple[RuleProblem, ...]:
        """In force, or why not. A defect of ours is an answer, too: what comes behind it must not wait for ever."""
        try:
            part = rules_from(desired.settings | {"camera_id": desired.camera_id})
            order, now = centre_order(desired, part), self.running[desired.camera_id]
            if self._is_in_force(order):
                return self._already(desired.camera_id)
            found = compare_camera(with_hot_part(now.configured, part), now, self._models)
            if isinstance(found, Change):
                return self._take(found, Source.CENTRE, note=order.note, order=order)
            return problems_of_rules(found)
        except ConfigError as error:
            return problems_of_settings(error)
        except Exception as error:
            self.counts["follow_failed"] += 1
            log.exception("rules of the centre failed")
            why = f"a defect of the node, see its log: {type(error).__name__}"
            return _refused(desired.camera_id, None, (why,))

    def _propose(self) -> None:
        """What cameras that were nudged make of their zones. A disk that refuses keeps no version out by this."""
        try:
            self.proposing.forget_earlier()
            for name, one in self.running.items():
                if views := self._views_of(name):
                    shifts = {view.view_id: view.shift_xyn for view in views}
                    self.proposing.follow(one.configured, shifts, self._wall())
        except OSError as error:
            if self.proposals_problem is None:
                log.error("proposals cannot be kept", extra={"why": str(error)})
            self.proposals_problem = error.strerror or str(error)
        else:
            self.proposals_problem = None

    def _keep_new(self) -> None:
        """The versions that the start made, as far as the disk takes them: it is no reason not to watch."""
        unkept, self._unkept = self._unkept, []
        for one in unkept:
            try:
                self._files.add(one)
            except OSError as error:
                self._unkept.append(one)
                self._note_disk(error)
        if not self._unkept:
            self.disk_problem = None

    # The file.

    def _follow_file(self, path: Path) -> None:
        state = _state_of(path)
        before, self._seen = self._seen, state
        if state == self._read or state != before:
            return
        self._read = state  # first: a file that a defect keeps us from reading is not read again every second
        compared = self._compared(path, is_told=False)
        if _state_of(path) == state:
            self._take_file(compared, note="")
        else:
            self._read = NEVER  # it changed meanwhile

    def _compared(self, path: Path, *, is_told: bool) -> Compared:
        try:
            file = read_node(path)
        except ConfigError as error:
            return Compared((), error.problems)
        self._file_digests |= {camera.camera_id: digest_of(camera) for camera in file.config.cameras}
        return compare_file(file, self._started, self.running, self._models, is_told=is_told)

    def _take_file(self, compared: Compared, *, note: str, order: Order | None = None) -> list[CameraAnswer]:
        self.read_at = self._wall()
        if not self._unkept:
            self.disk_problem = None  # what an earlier change met says nothing about these
        answers = [self._take(one, Source.FILE, note=note, order=order) for one in compared.changes]
        out = [(one.camera_id, why) for one in answers for why in one.problems]
        if self.disk_problem is not None:
            self._read = NEVER  # the file is not to blame: it is read again with the disk's next try
        elif self._settings is not None:
            compared = replace(
                compared,
                refused=(
                    *compared.refused,
                    *(Problem(self._settings, "cameras", f"{name}: {why}") for name, why in out),
                ),
            )
        self._say_refused(compared.refused)
        return answers

    def _say_refused(self, problems: Iterable[Problem]) -> None:
        """What was refused before and still is keeps its time; what is new is counted and logged."""
        since = {one.problem: one.since for one in self.refused}
        self.refused = tuple(Refused(one, since.get(one, self._wall())) for one in problems)
        for one in self.refused:
            if one.problem not in since:
                self.counts["refused_file"] += 1
                log.warning("change of settings not taken", extra={"why": str(one.problem)})

    # Commands.

    def _follow_commands(self) -> None:
        try:
            order = self._orders.take()
            if order is None:
                return
            self.counts["commands"] += 1
            answer = self._obeyed(order) if isinstance(order, Order) else self._answer("", problems=(order,))
            self._orders.finish(answer)
        except OSError as error:
            self._note_disk(error)  # taken and not answered: it is looked at again at the next poll
            return
        if not answer.is_refused and not self._unkept:
            self.disk_problem = None
        for problem in (*answer.problems, *(why for one in answer.cameras for why in one.problems)):
            self.counts["refused_command"] += 1
            log.warning("command for rules refused", extra={"why": problem})

    def _obeyed(self, order: Order) -> Answer:
        """A defect of ours is an answer, too: the order must not come back every second."""
        try:
            return self._obey(order)
        except OSError:
            raise
        except Exception as error:
            self.counts["follow_failed"] += 1
            log.exception("command for rules failed")
            return self._answer(order.order_id, problems=(f"a defect, see the log: {type(error).__name__}",))

    def _obey(self, order: Order) -> Answer:
        if self._is_in_force(order):
            return self._answer(order.order_id, cameras=self._obey_again(order))
        if is_old(order, self._wall()):
            return self._answer(order.order_id, problems=(f"the command is of {order.at.isoformat()}: give it again",))
        if order.cameras is None:
            return self._obey_file(order)
        answers = [self._obey_camera(order, index) for index in range(len(order.cameras))]
        if not any(one.outcome == "refused" for one in answers):
            answers += [self._obey_view(one, order.order_id) for one in order.views]
        return self._answer(order.order_id, cameras=answers)

    def _obey_view(self, asked: ViewAsked, order_id: str) -> CameraAnswer:
        camera_id, view_id = asked.camera_id, asked.view_id
        now = self.running.get(camera_id)
        known = () if now is None else now.configured.told_apart
        if view_id not in known:
            there = ", ".join(known) or "none that are told apart: several need to stand under its views"
            return _refused(camera_id, None, (f"no view {view_id} of camera {camera_id}; there: {there}",))
        if asked.act == "renew":
            self._order_view(RenewView(camera_id, view_id, asked.shift_xyn, order_id))
            self.proposing.approved(camera_id, view_id)
            note = f"view {view_id} is known by its new place; its scene is learnt anew"
        else:
            self._order_view(LearnView(camera_id, view_id))
            note = f"view {view_id} is learnt within half a minute while the camera stands still: see `views show`"
        return CameraAnswer(camera_id=camera_id, outcome="view_taken", notes=(note,))

    def _is_in_force(self, order: Order) -> bool:
        """True when every camera's version is of this very order: the node was killed before it could answer."""
        named = [one.camera_id for one in order.cameras or ()]
        return bool(named) and all(
            name in self.versions and self.versions[name].order_id == order.order_id for name in named
        )

    def _obey_again(self, order: Order) -> list[CameraAnswer]:
        """Its rules are in force; nobody knows whether capture heard of its views, which it renews once an order."""
        already = [self._already(one.camera_id) for one in order.cameras or ()]
        return already + [self._obey_view(one, order.order_id) for one in order.views if one.act == "renew"]

    def _already(self, camera_id: str) -> CameraAnswer:
        return CameraAnswer(camera_id=camera_id, outcome="applied", version=self.versions[camera_id].version)

    def _obey_file(self, order: Order) -> Answer:
        if self._settings is None:
            return self._answer(order.order_id, problems=("this node follows no settings file",))
        compared = self._compared(self._settings, is_told=True)
        answers = self._take_file(compared, note=order.note, order=order)
        return self._answer(order.order_id, cameras=answers, problems=tuple(map(str, compared.refused)))

    def _obey_camera(self, order: Order, index: int) -> CameraAnswer:
        assert order.cameras is not None
        part = order.cameras[index]
        now = self.running.get(part.camera_id)
        if now is None:
            known = ", ".join(list(self.running)[:12]) or "none"
            return _refused(part.camera_id, None, (f"this node has no camera {part.camera_id}; it has {known}",))
        found = compare_camera(with_hot_part(now.configured, part), now, self._models)
        if not isinstance(found, Change):
            problems = tuple(
                f"cameras.{index}.{'.'.join(map(str, one.key))}: {one.text}" + (f" ({one.hint})" if one.hint else "")
                for one in found
            )
            return _refused(part.camera_id, self.versions[part.camera_id].version, problems)
        return self._take(found, Source.COMMAND, note=order.note, order=order)

    def _answer(self, order_id: str, *, cameras: Iterable[CameraAnswer] = (), problems: tuple[str, ...] = ()) -> Answer:
        return Answer(order_id=order_id, at=self._wall(), cameras=tuple(cameras), problems=problems)

    # Both.

    def _take(self, change: Change, source: Source, *, note: str, order: Order | None) -> CameraAnswer:
        """Keep the version, then have the main path take it."""
        camera_id = change.configured.camera_id
        now, last = self.running[camera_id], self.versions[camera_id]
        version = version_of(
            change.configured,
            last.version + 1,
            digest_of(change.configured) if source is Source.FILE else self._file_digests[camera_id],
            self._wall(),
            source,
            note=note,
            by=order.by if order is not None else "",
            order_id=order.order_id if order is not None else "",
        )
        if version.digest == last.digest:
            return self._take_same(version, now, last)
        rules = WatchedRules.of(able(change.configured, change.not_running))
        why = self._kept(version)
        if why is not None:
            return _refused(camera_id, last.version, (why,))
        handed = self._change(rules)
        is_taken = handed.is_done.wait(TAKEN_WITHIN_S)
        if handed.problem is not None:
            self._taken_back(version)
            return _refused(camera_id, last.version, (f"a defect kept it out, see the log: {handed.problem}",))
        self.running[camera_id] = Running(change.configured, change.not_running, version.file_digest)
        self.versions[camera_id] = version
        self.counts["applied"] += 1
        log.info(
            "rules changed",
            extra={"camera_id": camera_id, "version": version.version, "source": source.value, "note": note},
        )
        notes = change.notes if is_taken else (*change.notes, f"not in force after {TAKEN_WITHIN_S:g} s: see /health")
        return CameraAnswer(camera_id=camera_id, outcome="applied", version=version.version, notes=notes)

    def _take_same(self, version: RulesVersion, now: Running, last: RulesVersion) -> CameraAnswer:
        """Nothing changes for the main path. A file that has come to say what a command said is in charge again."""
        camera_id = version.camera_id
        self.counts["unchanged"] += 1
        if version.source is Source.FILE:
            if last.source is not Source.FILE and last.file_digest != version.file_digest:
                version = last = replace(version, note=version.note or SAYS_THE_SAME)
                why = self._kept(version)
                if why is not None:
                    return _refused(camera_id, self.versions[camera_id].version, (why,))
                self.versions[camera_id] = version
            self.running[camera_id] = replace(now, file_digest=version.file_digest)
        return CameraAnswer(camera_id=camera_id, outcome="unchanged", version=last.version)

    def _kept(self, version: RulesVersion) -> str | None:
        """None: it is on the disk; else why not."""
        try:
            self._files.add(version)
        except OSError as error:
            self._note_disk(error)
            return f"the version cannot be kept: {self.disk_problem}"
        self._unkept = [one for one in self._unkept if one.camera_id != version.camera_id]
        self.disk_problem = None
        return None

    def _taken_back(self, version: RulesVersion) -> None:
        try:
            self._files.take_back(version)
        except OSError as error:
            self._note_disk(error)

    def _note_disk(self, error: OSError) -> None:
        """Counted; logged when it begins."""
        self.counts["not_kept"] += 1
        if self.disk_problem is None:
            log.error("versions of rules cannot be kept", extra={"why": str(error)})
        self.disk_problem = error.strerror or str(error)
        self._disk_again_mono_s = self._mono() + DISK_AGAIN_S


def _refused(camera_id: str, version: int | None, problems: tuple[str, ...]) -> CameraAnswer:
    return CameraAnswer(camera_id=camera_id, outcome="refused", version=version, problems=problems)


def _state_of(path: Path) -> State:
    try:
        now = path.stat()
    except OSError:
        return None
    return now.st_mtime_ns, now.st_size, now.st_ino

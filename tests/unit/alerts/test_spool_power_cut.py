"""Power cuts, by a model: only what was fsynced survives, names only after the folder was fsynced, tails at will.

After every single call to the disk the state that a power cut would leave is taken, opened, and held against what
`accept` had promised by then.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path

from tests.unit.alerts.bodies import Clock, an_alert, open_spool, receipt_for
from xueliang_alerts.contract import Gap, read_message
from xueliang_alerts.disk import Disk


@dataclass(frozen=True)
class CrashState:
    """Files by name as the disk would hold them, and what the spool had promised at that moment."""

    files: dict[str, bytes]
    promised: frozenset[int]


class PowerCutDisk(Disk):
    """Does everything for real and keeps, beside it, what is durable."""

    def __init__(self, directory: Path, rng: random.Random) -> None:
        self._directory, self._rng = directory, rng
        self._durable: dict[int, bytes] = {}  # by inode
        self._names: dict[str, int] = {}  # names that survive
        self._paths: dict[int, Path] = {}
        self.promised: frozenset[int] = frozenset()
        self.states: list[CrashState] = []

    def _take_states(self) -> None:
        self.states.append(
            CrashState({name: self._durable.get(inode, b"") for name, inode in self._names.items()}, self.promised)
        )
        lucky = {}
        for path in self._directory.iterdir():
            durable, now = self._durable.get(path.stat().st_ino, b""), path.read_bytes()
            lucky[path.name] = now[: self._rng.randint(min(len(durable), len(now)), len(now))]
        self.states.append(CrashState(lucky, self.promised))

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        self._paths[descriptor] = path
        self._durable[path.stat().st_ino] = b""
        self._take_states()
        return descriptor

    def write(self, descriptor: int, data: bytes) -> None:
        super().write(descriptor, data)
        self._take_states()

    def fsync(self, descriptor: int) -> None:
        super().fsync(descriptor)
        self._durable[os.fstat(descriptor).st_ino] = self._paths[descriptor].read_bytes()
        self._take_states()

    def truncate(self, path: Path, size_bytes: int) -> None:
        super().truncate(path, size_bytes)
        self._durable[path.stat().st_ino] = path.read_bytes()
        self._take_states()

    def fsync_directory(self, directory: Path) -> None:
        super().fsync_directory(directory)
        self._names = {path.name: path.stat().st_ino for path in directory.iterdir()}
        self._take_states()

    def replace(self, source: Path, target: Path) -> None:
        super().replace(source, target)
        self._take_states()

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        self._take_states()


def _story(directory: Path, disk: PowerCutDisk) -> None:
    """Segments fill, receipts come, the cap is reached, committed and mild records go."""
    clock = Clock()
    with open_spool(directory, clock, disk=disk, cap_bytes=40_000, segment_bytes=4096) as spool:
        promised: set[int] = set()
        for number in range(1, 61):
            promised.add(spool.accept(an_alert(number, severity=1 + number % 4, text="x" * 300)).sequence)
            disk.promised = frozenset(promised)
            if number in (12, 24):
                receipt = receipt_for(spool, number - 8, committed=((number - 4, number - 2),))
                promised = {sequence for sequence in promised if not receipt.spools[0].settles(sequence)}
                disk.promised = frozenset(promised)
                spool.mark_settled(receipt)
                spool.tend()
        assert spool.counters()["evicted"] > 0, "the story reaches the cap"


def test_no_power_cut_at_any_disk_call_loses_what_was_promised(tmp_path: Path) -> None:
    directory = tmp_path / "spool"
    directory.mkdir()
    rng = random.Random(3)
    disk = PowerCutDisk(directory, rng)
    _story(directory, disk)
    assert len(disk.states) > 500
    for count, state in enumerate(rng.sample(disk.states, 250)):
        crashed = tmp_path / f"crash-{count}"
        crashed.mkdir()
        for name, content in state.files.items():
            (crashed / name).write_bytes(content)
        _check(crashed, state)


def _check(crashed: Path, state: CrashState) -> None:
    with open_spool(crashed) as spool:
        bodies = {record.sequence: read_message(record.payload).body for record in spool.pending(10_000)}
        given_up = {
            sequence
            for body in bodies.values()
            if isinstance(body, Gap) and body.why == "evicted"
            for sequence in range(body.first_sequence, body.last_sequence + 1)
        }
        assert state.promised <= set(bodies) | given_up, f"lost: {sorted(state.promised - set(bodies) - given_up)}"
        assert spool.counters()["damaged"] == 0
        assert spool.accept(an_alert(999)).sequence > max(state.promised, default=0)

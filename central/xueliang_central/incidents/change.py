"""One transaction of the flow: its connection, its one time, what the centre decides by, and whom it will tell.

Invariants
    - Everything that happens in one transaction happens at one time, `now`.
    - Whatever touches an incident, a task, a silence or a calendar proposal says so here; `publish` then tells the
      stream once per object, with its state at the end of the transaction. Nothing else appends events of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import Hazard
from xueliang_central.areas.tree import AreaBook, AreaTree
from xueliang_central.clocks.limits import PolicyRow, rows_of
from xueliang_central.incidents.folding import FoldingRule
from xueliang_central.incidents.seating import SeatingRule, seating_of
from xueliang_central.incidents.shedding import SheddingRule
from xueliang_central.incidents.suppressing import InhibitionRule, SilencingRule
from xueliang_central.incidents.tables import incident_timeline
from xueliang_configs.checklists import ChecklistStep
from xueliang_configs.policies import PolicyTable, Seating, UnitFirst
from xueliang_configs.side_moves import SideMoves


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What the centre decides by: the area tree, the policy table, each hazard's folding rule, shedding, silencing,
    seating (None: nothing is dealt to seats), of which cases a lane's managing unit is told first, what an operator
    looks at by hazard, what a camera's fault mutes, how long what is asked on the way may take, after how long a silent
    seat counts as unstaffed (None: only rosters say who is there)."""

    areas: AreaBook
    policies: Sequence[PolicyRow]
    folding: Mapping[str, FoldingRule]
    shedding: SheddingRule = field(default_factory=SheddingRule)
    silencing: SilencingRule = field(default_factory=SilencingRule)
    seating: SeatingRule | None = None
    unit_first: Sequence[UnitFirst] = ()
    checklists: Mapping[str, Sequence[ChecklistStep]] = field(default_factory=dict)
    inhibition: InhibitionRule = field(default_factory=InhibitionRule)
    check_in_counts_s: float = 1800.0  # a worker's check-in is a reason for who is sent; 0: never
    side_moves: SideMoves = field(default_factory=SideMoves)  # how long requests, suspensions and supervisions may take
    unstaffed_after_s: float | None = 60.0

    @property
    def tree(self) -> AreaTree:
        return self.areas.tree

    @classmethod
    def of(cls, areas: AreaBook, table: PolicyTable) -> Rulebook:
        """The operator's files as plain values."""
        shedding = SheddingRule(**table.shedding.model_dump())
        silencing = SilencingRule(**table.silencing.model_dump())
        steps = {hazard.value: table.checklist_for(hazard) for hazard in Hazard}
        folding, seating = folding_of(table), seating_of(table)
        muted = table.inhibition
        inhibition = InhibitionRule(muted.faults, tuple(hazard.value for hazard in muted.hazards))
        told_s = table.check_in_counts_s
        return cls(
            areas,
            rows_of(table),
            folding,
            shedding,
            silencing,
            seating,
            table.unit_first,
            steps,
            inhibition,
            told_s,
            table.side_moves,
            (table.seating or Seating()).unstaffed_after_s,
        )

    @property
    def longest_memory_s(self) -> float:
        """How long after its closing an incident may still be joined or reopened, at most."""
        windows = [rule.window_s for rule in self.folding.values()] or [FoldingRule().window_s]
        return max(*windows, *(row.limits.reopen_window_s for row in self.policies))

    def checklist(self, hazard: str) -> Sequence[ChecklistStep]:
        """The steps of a hazard; empty: it has none."""
        return self.checklists.get(hazard, ())

    def folding_rule(self, hazard: str) -> FoldingRule:
        """The rule of a hazard, else the defaults."""
        return self.folding.get(hazard, FoldingRule())


def folding_of(table: PolicyTable) -> dict[str, FoldingRule]:
    """The folding rules of the operator's file, by hazard; the fields have the same names."""
    return {hazard.value: FoldingRule(**rule.model_dump()) for hazard, rule in table.folding.items()}


@dataclass(frozen=True, slots=True)
class By:
    """Who did something, as the timeline shows it: kind is system, user or node."""

    kind: str
    name: str


CAMERA: Final = By("system", "camera")  # what the same camera saw
CLOCK: Final = By("system", "clock")
POLICY: Final = By("system", "policy")
INGEST: Final = By("system", "ingest")


@dataclass(slots=True)
class Change:
    """Made at the start of a transaction, `flush`ed at its end by whoever opened it (see `incidents.publishing`)."""

    conn: AsyncConnection
    now: datetime
    rulebook: Rulebook
    incidents: dict[str, None] = field(default_factory=dict)  # ids touched, in order
    tasks: dict[str, None] = field(default_factory=dict)
    silences: dict[str, None] = field(default_factory=dict)
    proposals: dict[str, None] = field(default_factory=dict)
    watched_closed: dict[str, None] = field(default_factory=dict)  # closed while a centre above supervised it
    entries: list[dict[str, Any]] = field(default_factory=list)
    last_number: int | None = None  # of the day, given to an incident of this transaction; see `incidents.service`

    @property
    def tree(self) -> AreaTree:
        return self.rulebook.tree

    def touch(self, incident_id: str) -> None:
        self.incidents[incident_id] = None

    def touch_task(self, task_id: str) -> None:
        self.tasks[task_id] = None

    def touch_silence(self, silence_id: str) -> None:
        self.silences[silence_id] = None

    def touch_proposal(self, proposal_id: str) -> None:
        self.proposals[proposal_id] = None

    def note(self, incident_id: str, kind: str, by: By, /, **params: Any) -> None:
        """One entry of the incident's timeline; it is written by `flush`."""
        self.touch(incident_id)
        self.entries.append(
            {
                "incident_id": incident_id,
                "at": self.now,
                "kind": kind,
                "actor_kind": by.kind,
                "actor_name": by.name,
                "params": params,
            }
        )

    async def flush(self) -> None:
        """Write the timeline entries noted so far."""
        if self.entries:
            await self.conn.execute(insert(incident_timeline), self.entries)
            self.entries = []

"""From a table to a plan: read, look at every camera, mask one still each, share them out among the nodes.

Nothing is written here. A plan that has problems says all of them at once; what can be known besides (which cameras
answer, what they cost) is found out all the same, so that one run tells everything.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from xueliang_edge.costs import Cost, CostLine, Plan, cost_of, figures_of
from xueliang_edge.evidence.masking import PersonFinder, Refused
from xueliang_edge.evidence.stills import Still
from xueliang_edge.importing.addresses import Address
from xueliang_edge.importing.columns import Column
from xueliang_edge.importing.looking import Found, Looker
from xueliang_edge.importing.rows import WantedCamera, wanted_cameras
from xueliang_edge.importing.spreading import DoesNotFit, Load, NodeRoom, Spread, spread
from xueliang_edge.importing.stills import detect_ms_here, masked_still
from xueliang_edge.importing.tables import RowProblem, read_table
from xueliang_edge.offers import oddities
from xueliang_streams.probe import Offer

ASSUMED_MBIT = 4.0
"""Of a camera that did not answer, in a table in which none did: a usual 1080p camera."""
ASSUMED_CPU_S = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What the person who imports has asked for.

    Attributes:
        bulk: what an empty cell of a column means.
        keeps_unreachable: cameras that did not answer are imported too, at the cost of the others' middle.
    """

    table: Path
    nodes: tuple[NodeRoom, ...]
    sheet: str | None = None
    bulk: Mapping[Column, str] = field(default_factory=dict)
    keeps_unreachable: bool = False


@dataclass(frozen=True, slots=True)
class PlannedCamera:
    """One camera of the plan.

    Attributes:
        main, sub: as they will be written: exchanged when the table had them the wrong way round, sub None when it does
            not serve.
        offer: of the main stream; None: it did not answer, and `problem` says why.
        still: Refused: why there is none.
        notes: what an installer should know or change.
    """

    wanted: WantedCamera
    main: Address
    sub: Address | None
    offer: Offer | None
    sub_offer: Offer | None
    problem: str | None
    cost: Cost
    still: Still | Refused
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """Everything that is known before anything is written.

    Attributes:
        cameras: all sound rows, in the table's order.
        kept: those that will be imported.
        sharing: how they are shared out; None: there is nothing to share out.
        detect_ms: of the embedded detector on this machine; part of the costs.
    """

    asked: Asked
    problems: tuple[RowProblem, ...]
    notes: tuple[str, ...]
    rows: int
    cameras: tuple[PlannedCamera, ...]
    kept: tuple[PlannedCamera, ...]
    sharing: Spread | DoesNotFit | None
    detect_ms: float
    seconds: float

    @property
    def unreachable(self) -> tuple[PlannedCamera, ...]:
        """Those that did not answer."""
        return tuple(camera for camera in self.cameras if camera.offer is None)

    @property
    def without_still(self) -> Counter[str]:
        """Cameras that answered and have no still, by reason."""
        return Counter(
            camera.still.reason for camera in self.cameras if camera.offer and isinstance(camera.still, Refused)
        )

    @property
    def can_be_applied(self) -> bool:
        """No bad row, and room for every camera."""
        return not self.problems and isinstance(self.sharing, Spread) and bool(self.kept)


def make_plan(
    asked: Asked,
    *,
    detector: PersonFinder,
    environment: Mapping[str, str],
    looker: Looker,
    mono: Callable[[], float],
    begins: Callable[[int, float], None],
    tell: Callable[[int, int, PlannedCamera], None],
) -> ImportPlan:
    """Read the table and look at its cameras.

    Args:
        begins: called once with how many cameras are looked at, and the seconds that takes at most.
        tell: called after each camera with how many are done, of how many.

    Raises:
        TableUnreadable: nothing of the table can be used.
        InferenceError: the detector fails on a grey picture; no still would ever come out.
    """
    began_s = mono()
    table = read_table(asked.table, asked.sheet)
    names = [node.name for node in asked.nodes]
    wanted, problems = wanted_cameras(table, bulk=asked.bulk, nodes=names, environment=environment)
    plan = Plan(detect_ms=detect_ms_here(detector))
    planned: list[PlannedCamera] = []
    begins(len(wanted), looker.longest_s(wanted))
    for found in looker.look_at(wanted):
        camera = _planned(found, plan, detector, mono)
        planned.append(camera)
        tell(len(planned), len(wanted), camera)
    planned = _priced(sorted(planned, key=lambda camera: camera.wanted.row))
    kept = [camera for camera in planned if camera.offer is not None or asked.keeps_unreachable]
    return ImportPlan(
        asked,
        tuple(problems),
        tuple(table.notes),
        len(table.rows),
        tuple(planned),
        tuple(kept),
        spread([_load(camera) for camera in kept], asked.nodes) if kept else None,
        plan.detect_ms,
        mono() - began_s,
    )


def _load(camera: PlannedCamera) -> Load:
    return Load(camera.wanted.camera_id, camera.cost.cores, camera.cost.mbit_per_s, camera.wanted.node)


def _planned(found: Found, plan: Plan, detector: PersonFinder, mono: Callable[[], float]) -> PlannedCamera:
    wanted = found.camera
    main, sub, offer, sub_offer = wanted.main, wanted.sub, found.main, found.sub
    if offer is None:
        empty = Cost((), 0.0)
        return PlannedCamera(wanted, main, sub, None, None, found.problem, empty, Refused("not_opened"))
    notes = list(oddities(offer))
    if found.sub_problem:
        notes.append(f"sub stream left out: {found.sub_problem}")
        sub = None
    if found.fit is not None and sub_offer is not None and not found.fit.fits:
        if found.fit.is_swapped and wanted.sub is not None:
            main, sub, offer, sub_offer = wanted.sub, wanted.main, sub_offer, offer
            notes.append(f"{found.fit.words}; the plan has them exchanged")
        else:
            notes.append(f"sub stream left out: {found.fit.words}")
            sub = None
    served = sub_offer if sub is not None else None
    if served is not None:
        notes += [f"sub stream: {words}" for words in oddities(served)]
    cost = cost_of(figures_of(offer), figures_of(served) if served else None, plan)
    still = masked_still(found.pictures, detector, mono)
    return PlannedCamera(wanted, main, sub, offer, served, None, cost, still, tuple(notes))


def _priced(cameras: Iterable[PlannedCamera]) -> list[PlannedCamera]:
    """Those that did not answer get the middle of the others' costs: they will answer one day."""
    cameras = list(cameras)
    answered = [camera.cost for camera in cameras if camera.offer is not None]
    cpu_s = statistics.median([cost.cpu_s_per_minute for cost in answered] or [ASSUMED_CPU_S])
    mbit = statistics.median([cost.mbit_per_s for cost in answered] or [ASSUMED_MBIT])
    assumed = Cost((CostLine("assumed", cpu_s, "did not answer: the middle of the others"),), mbit)
    return [camera if camera.offer is not None else replace(camera, cost=assumed) for camera in cameras]


def by_node(plan: ImportPlan) -> Mapping[str, Sequence[PlannedCamera]]:
    """The kept cameras of each node, in the table's order; nodes without any are there too."""
    groups: dict[str, list[PlannedCamera]] = {node.name: [] for node in plan.asked.nodes}
    if isinstance(plan.sharing, Spread):
        for camera in plan.kept:
            groups[plan.sharing.node_of[camera.wanted.camera_id]].append(camera)
    return groups

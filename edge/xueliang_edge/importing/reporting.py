"""A plan in words and as JSON. Nothing here holds a password: addresses show themselves redacted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xueliang_edge.evidence.stills import Still
from xueliang_edge.importing.planning import ImportPlan, PlannedCamera, by_node
from xueliang_edge.importing.spreading import DoesNotFit, Filled, Spread
from xueliang_edge.offers import as_json, cost_json, described


def camera_words(camera: PlannedCamera) -> str:
    """One line, while it goes on."""
    if camera.offer is None:
        return f"{camera.wanted.camera_id}: {camera.problem}"
    return f"{camera.wanted.camera_id}: {described(camera.offer)}"


def problem_words(plan: ImportPlan) -> Iterator[str]:
    """Every bad row, then every camera that did not answer."""
    for problem in plan.problems:
        yield f"{plan.asked.table}: {problem}"
    for camera in plan.unreachable:
        yield f"{plan.asked.table}: row {camera.wanted.row}, url: {camera.problem}"
    if isinstance(plan.sharing, DoesNotFit):
        yield plan.sharing.words


def plan_words(plan: ImportPlan) -> Iterator[str]:
    """The table of cameras, what was noticed, how they are shared out, and the sums."""
    node_of = plan.sharing.node_of if isinstance(plan.sharing, Spread) else {}
    rows: list[tuple[str, ...]] = [
        ("row", "camera_id", "node", "stream", "key s", "sub", "Mbit/s", "CPU-s/min", "still")
    ]
    rows += [_cells(camera, node_of.get(camera.wanted.camera_id, "-")) for camera in plan.cameras]
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    for camera in plan.cameras:
        for note in camera.notes:
            yield f"note: row {camera.wanted.row}, {camera.wanted.camera_id}: {note}"
    for note in plan.notes:
        yield f"note: {note}"
    if isinstance(plan.sharing, Spread):
        for filled in plan.sharing.filled:
            yield filled.words()
    yield _sums(plan)


def _sums(plan: ImportPlan) -> str:
    stills = sum(isinstance(camera.still, Still) for camera in plan.cameras)
    bad_rows = len({problem.row for problem in plan.problems})
    parts = [
        f"{plan.rows} rows",
        f"{bad_rows} bad",
        f"{len(plan.cameras) - len(plan.unreachable)} cameras answered",
        f"{len(plan.unreachable)} did not",
        f"{stills} stills",
    ]
    parts += [f"{count} without a still ({reason})" for reason, count in sorted(plan.without_still.items())]
    return f"{', '.join(parts)}; {plan.seconds:.0f} s"


def _cells(camera: PlannedCamera, node: str) -> tuple[str, ...]:
    wanted, offer = camera.wanted, camera.offer
    if offer is None:
        return str(wanted.row), wanted.camera_id, node, "did not answer", "-", "-", "-", "-", "no"
    sub = "{}x{}".format(*camera.sub_offer.size_wh) if camera.sub_offer else "-"
    return (
        str(wanted.row),
        wanted.camera_id,
        node,
        "{} {}x{}".format(offer.codec, *offer.size_wh),
        "-" if offer.gop_s is None else f"{offer.gop_s:.1f}",
        sub,
        f"{camera.cost.mbit_per_s:.2f}",
        f"{camera.cost.cpu_s_per_minute:.2f}",
        "yes" if isinstance(camera.still, Still) else "no",
    )


def plan_json(plan: ImportPlan) -> dict[str, Any]:
    """For `--json`."""
    node_of = plan.sharing.node_of if isinstance(plan.sharing, Spread) else {}
    return {
        "table": str(plan.asked.table),
        "rows": plan.rows,
        "problems": [
            {"row": one.row, "column": one.column, "text": one.text, "try": one.hint} for one in plan.problems
        ],
        "notes": list(plan.notes),
        "cameras": [_camera_json(camera, node_of.get(camera.wanted.camera_id)) for camera in plan.cameras],
        "nodes": [
            _node_json(filled, len(by_node(plan)[filled.node.name]))
            for filled in (plan.sharing.filled if isinstance(plan.sharing, Spread) else ())
        ],
        "does_not_fit": plan.sharing.words if isinstance(plan.sharing, DoesNotFit) else None,
        "unreachable": len(plan.unreachable),
        "stills": sum(isinstance(camera.still, Still) for camera in plan.cameras),
        "without_still": dict(plan.without_still),
        "detect_ms": round(plan.detect_ms, 2),
        "seconds": round(plan.seconds, 1),
    }


def _camera_json(camera: PlannedCamera, node: str | None) -> dict[str, Any]:
    return {
        "row": camera.wanted.row,
        "camera_id": camera.wanted.camera_id,
        "name": camera.wanted.name,
        "node": node,
        "url": str(camera.main.opened),
        "sub_url": str(camera.sub.opened) if camera.sub else None,
        "problem": camera.problem,
        "main": as_json(camera.offer) if camera.offer else None,
        "sub": as_json(camera.sub_offer) if camera.sub_offer else None,
        "cost": cost_json(camera.cost),
        "still": {"sha256": camera.still.sha256, "bytes": len(camera.still.jpeg)}
        if isinstance(camera.still, Still)
        else None,
        "no_still_because": None if isinstance(camera.still, Still) else camera.still.reason,
        "notes": list(camera.notes),
    }


def _node_json(filled: Filled, cameras: int) -> dict[str, Any]:
    return {
        "name": filled.node.name,
        "cameras": cameras,
        "cores": round(filled.cores, 3),
        "mbit_per_s": round(filled.mbit_per_s, 2),
        "shares": {name: round(share, 3) for name, share in filled.shares.items()},
        "full_first": filled.first_limit,
        "is_assumed": filled.node.is_assumed,
    }

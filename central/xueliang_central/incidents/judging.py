"""What people have said of an incident: one of `JUDGEMENTS`, from its row and its timeline (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from xueliang_central.incidents.states import CloseReason

Row = Mapping[str, Any]

JUDGEMENTS: Final = ("true_hazard", "false_alarm", "permitted", "duplicate", "nothing_here", "unjudged")
# Entries by which a person says: it is so.
JUDGING: Final = frozenset({"confirmed", "dispatched", "unit_told", "kept_open", "closed"})
# Entries by which a lane's managing unit says so.
OF_UNIT: Final = frozenset({"unit_clears", "unit_done"})
# All entries that `judgement` asks for.
SPEAKING: Final = JUDGING | OF_UNIT | {"handled"}
_NOTHING_HERE: Final = "nothing_here"  # the reason code of a task (dispatch.working)
_BY_CLOSING: Final = {
    CloseReason.FALSE_ALARM.value: "false_alarm",
    CloseReason.PERMITTED.value: "permitted",
    CloseReason.DUPLICATE.value: "duplicate",
}


def judgement(incident: Row, entries: Sequence[Row]) -> str:
    """`incident`: its close_reason and its review. `entries`: of its timeline, in their order, those of the kinds
    `SPEAKING` at least."""
    by_closing = _BY_CLOSING.get(incident["close_reason"] or "")
    if by_closing is not None:
        return by_closing
    if incident["review"] in JUDGEMENTS:  # said when it was over (`reviewing`)
        return str(incident["review"])
    handled = [entry for entry in entries if entry["kind"] == "handled"]
    if handled:
        return "nothing_here" if handled[-1]["params"].get("reason_code") == _NOTHING_HERE else "true_hazard"
    if any(entry["kind"] in OF_UNIT or _judges(entry) for entry in entries):
        return "true_hazard"
    return "unjudged"


def _judges(entry: Row) -> bool:
    return entry["kind"] in JUDGING and entry["actor_kind"] == "user"

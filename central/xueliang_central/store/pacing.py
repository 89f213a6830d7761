"""At most one event of a thing in a second, and never an old one for the last: pure.

The first goes at once; what follows within the second waits, and a newer one takes its place: an event tells the state
of its thing, so that the last one tells all. In a storm an incident changes many times a second, and nobody reads so
fast.

A stream that breaks off while events wait must get them when it goes on from the last id it was given. So no event is
given out with an id that is not smaller than those of all that wait (`Told.safe_id`). Who goes on from there may be
told once more what it knows; nothing is missing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from xueliang_central.store.events import Event

EVERY_S: Final = 1.0
_PACED: Final = {"incident": "incident_id", "claim": "incident_id"}
"""Kinds that are told as often as their thing changes, and what names the thing. All else goes at once."""

Subject = tuple[str, str, str]


@dataclass(slots=True, eq=False)
class Told:
    """An event as it goes to every stream that may hear it.

    Attributes:
        safe_id: whoever has this and all before it, and goes on from this id, misses nothing.
        encoded: as the first stream wrote it down, for the others.
    """

    event: Event
    safe_id: int
    encoded: bytes = b""


class Pacing:
    """Belongs to the one reader of a feed. Seconds of any clock that never goes back."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._told_s: OrderedDict[Subject, float] = OrderedDict()  # of the last second, oldest first
        self._waiting: dict[Subject, Event] = {}  # by rising id
        self.replaced = 0

    def take(self, event: Event, now_s: float) -> Told | None:
        """The event, to be told now; None while it waits. Events are taken in the order of their ids."""
        subject = _subject_of(event)
        if subject is None:
            return self._told(event)
        told_s = self._told_s.get(subject)
        if told_s is not None and now_s < told_s + self._every_s:
            self.replaced += self._waiting.pop(subject, None) is not None
            self._waiting[subject] = event
            return None
        self._waiting.pop(subject, None)  # overdue: this one is newer
        self._remember(subject, now_s)
        return self._told(event)

    def due(self, now_s: float) -> Iterator[Told]:
        """What has waited long enough, oldest first; and what need not be remembered is forgotten."""
        while self._told_s:
            subject, told_s = next(iter(self._told_s.items()))
            if now_s < told_s + self._every_s:
                return
            del self._told_s[subject]
            event = self._waiting.pop(subject, None)
            if event is not None:
                self._remember(subject, now_s)
                yield self._told(event)

    def next_due_s(self) -> float | None:
        """When the first of what waits has waited long enough; None: nothing waits."""
        return min((self._told_s[subject] + self._every_s for subject in self._waiting), default=None)

    def _remember(self, subject: Subject, now_s: float) -> None:
        self._told_s[subject] = now_s
        self._told_s.move_to_end(subject)

    def _told(self, event: Event) -> Told:
        first = next(iter(self._waiting.values()), None)
        return Told(event, event.event_id if first is None else min(event.event_id, first.event_id - 1))


def _subject_of(event: Event) -> Subject | None:
    name = _PACED.get(event.kind)
    thing: Any = event.body.get(event.kind)
    if name is None or event.for_user is not None or not isinstance(thing, dict):
        return None
    named = thing.get(name)
    return (event.kind, str(named), event.area_path) if named is not None else None

"""What follows from a rule's settings alone, or from them and the boxes of a look, worked out once. Pure as seen from
outside.

Rules are asked about every look of every camera, and their settings stay the same for weeks. A rule cannot be hashed
(it has dicts), so it is known by its identity; it is kept alive here, so that no other can take that identity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, ParamSpec, TypeVar, cast

from xueliang_edge.observations import Shown

MOST_KEPT: Final = 1024  # some rules of some hundred cameras; with what each keeps a few kilobytes

Asked = ParamSpec("Asked")
Found = TypeVar("Found")


def once_for(work_out: Callable[Asked, Found]) -> Callable[Asked, Found]:
    """`work_out(settings, *more)` keeps its answers; `more` are numbers and names. Called without keywords."""
    kept: dict[tuple[Any, ...], tuple[Any, Found]] = {}

    def kept_or_worked_out(settings: Any, *more: Any) -> Found:
        key = (id(settings), *more)
        known = kept.get(key)
        if known is not None:
            return known[1]
        if len(kept) >= MOST_KEPT:
            kept.clear()
        found = cast(Callable[..., Found], work_out)(settings, *more)
        kept[key] = (settings, found)
        return found

    return cast(Callable[Asked, Found], kept_or_worked_out)


@dataclass(slots=True, eq=False)
class LastAnswer(Generic[Found]):
    """Of one question about a look's boxes, the last answer and what it was about: a carried answer asks it again."""

    about: tuple[Shown, Found] | None = None

    def to(self, shown: Shown) -> Found | None:
        """None: another look was asked about last."""
        about = self.about
        return about[1] if about is not None and about[0] is shown else None

    def keep(self, shown: Shown, found: Found) -> Found:
        """One assignment: another thread that asks meanwhile reads either the whole old or the whole new one."""
        self.about = (shown, found)
        return found


class asked_once(Generic[Found]):  # noqa: N801 - a decorator, as cached_property is
    """`functools.cached_property` without its lock, which costs more than the answer. From Python 3.12 it has none."""

    def __init__(self, work_out: Callable[[Any], Found]) -> None:
        self._work_out, self._name, self.__doc__ = work_out, "", work_out.__doc__

    def __set_name__(self, _owner: type[Any], name: str) -> None:
        self._name = name

    def __get__(self, asked: Any, _owner: type[Any] | None = None) -> Found:
        found = self._work_out(asked)
        asked.__dict__[self._name] = found
        return found

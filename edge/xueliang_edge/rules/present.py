"""What a rule says at this moment, for somebody who asks between its revisions. Pure; nothing of it is remembered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from xueliang_alerts.commands import Says
from xueliang_edge.rules.episodes import EpisodeState, Moment
from xueliang_edge.rules.geometry import Box

UNWATCHED_S: Final = 1.0  # in sum; at a look that is a second late nothing is missed


@dataclass(frozen=True, slots=True)
class Figure:
    """The one figure people follow, as the last look shows it, and what it is about.

    Attributes:
        name, value, unit: as in the measures of the rule's alerts: "share", 0.41, "share".
        boxes_xyxyn: what stands there, 0..1; empty where the zone alone says it.
    """

    name: str
    value: float
    unit: str
    boxes_xyxyn: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Present:
    """What a rule says of one look.

    Attributes:
        says: see `Says`.
        since: HOLDS: the onset; CLEAR: when it was last seen to hold or, once its episode has ended, when that was
            seen. None: not known, not watched all the time since, or nothing to say.
        has_alert: an episode is open.
        why: CANNOT_SEE: a stable word for the reason.
        figure: None where the rule has none or did not judge.
    """

    says: Says
    since: Moment | None = None
    has_alert: bool = False
    why: str | None = None
    figure: Figure | None = None


def present_of(episode: EpisodeState, rule_time_s: float) -> Present:
    """After the look of this moment was judged: what the episode says of it.

    A look that could not be judged leaves no trace in the episode: `why` is then the caller's to say.
    """
    has_alert = episode.open is not None
    last = episode.last
    if last is None or last.mono_s != rule_time_s:
        return Present(Says.CANNOT_SEE, has_alert=has_alert, why="not_judged")
    if not has_alert and episode.held_back == last:
        return Present(Says.OUTSIDE_HOURS)
    if episode.last_held == last:
        return Present(Says.HOLDS, episode.open.began if episode.open else episode.onset, has_alert)
    if episode.was_absent or episode.closed == last:
        since = episode.last_held or episode.closed
        return Present(Says.CLEAR, since if since is not None and _watched(since, last) else None, has_alert)
    return Present(Says.UNCLEAR, has_alert=has_alert)


def _watched(since: Moment, last: Moment) -> bool:
    """All the time between: what happened while nobody saw it is not known."""
    return (last.mono_s - since.mono_s) - (last.seen_s - since.seen_s) <= UNWATCHED_S

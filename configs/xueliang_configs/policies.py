"""Who must do what by when: limits and escalation, as a table. First match wins; no case is left out."""

from __future__ import annotations

from datetime import datetime
from itertools import product
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from xueliang_alerts.contract import Hazard, Severity
from xueliang_configs.calendars import Calendar, CalendarName, Counts, too_slow
from xueliang_configs.checklists import MOST_STEPS, ChecklistStep, steps_for
from xueliang_configs.hours_covered import first_gap, is_of_use
from xueliang_configs.inhibition import Inhibition
from xueliang_configs.notices import LadderStep, NoticeRules
from xueliang_configs.schedules import Schedule
from xueliang_configs.sharing import Sharing
from xueliang_configs.side_moves import SideMoves
from xueliang_configs.values import AreaLevel, PlaceClass, PositiveSeconds, Settings, problem

ANY: Literal["any"] = "any"
Limit = Annotated[float, Field(gt=0, le=7 * 86_400)]
Case = tuple[Hazard, Severity, PlaceClass, AreaLevel]
# What never waits for a lane's managing unit: what burns, and cameras, which no unit can mend.
NEVER_UNIT_FIRST: Final = frozenset({Hazard.FIRE_SMOKE, Hazard.CAMERA_FAULT})
_LEVELS_UP = (AreaLevel.GRID, AreaLevel.VILLAGE, AreaLevel.TOWNSHIP, AreaLevel.COUNTY, AreaLevel.CITY)


class Match(Settings):
    """Which cases a row is for; `any` matches all."""

    hazard: Literal["any"] | Annotated[tuple[Hazard, ...], Field(min_length=1)] = Field(
        default=ANY, description="any, or a list of hazards."
    )
    severity: Literal["any"] | Annotated[tuple[Severity, ...], Field(min_length=1)] = Field(
        default=ANY, description="any, or a list of 1 (most severe) to 4."
    )
    place_class: Literal["any"] | Annotated[tuple[PlaceClass, ...], Field(min_length=1)] = Field(
        default=ANY, description="any, or a list of place classes."
    )
    level: Literal["any"] | Annotated[tuple[AreaLevel, ...], Field(min_length=1)] = Field(
        default=ANY, description="any, or a list of area levels: the level that owns the incident."
    )

    @field_validator("*", mode="before")
    @classmethod
    def _any_or_a_list(cls, value: object) -> object:
        if value == ANY or (isinstance(value, list | tuple) and value):
            return value
        is_word = isinstance(value, str | int) and value != ""
        raise problem(
            "match", "expected any, or a list", f'"{value}"' if is_word else "", f"[{value}]" if is_word else "any"
        )

    def takes(self, case: Case) -> bool:
        """True when this row is for the case."""
        hazard, severity, place_class, level = case
        return (
            (self.hazard == ANY or hazard in self.hazard)
            and (self.severity == ANY or severity in self.severity)
            and (self.place_class == ANY or place_class in self.place_class)
            and (self.level == ANY or level in self.level)
        )


class Policy(Settings):
    """One row: the limits of a kind of incident, in seconds, and who hears when one passes.

    The hour is that at which a clock starts: opening for *judge*, dispatch for *take* and *arrive*, *handled* for
    *check*. A clock that runs is not moved when the hours of its row end.
    """

    match: Match = Field(default=Match(), description="Which incidents; nothing written: all.")
    when: Schedule | None = Field(
        default=None,
        description="Only for clocks that start in these hours; null: at any hour. auto_dispatch goes by the opening.",
    )
    counts: Counts | None = Field(
        default=None, description="Which of its limits count working hours only; null: none, every hour counts."
    )
    judge_s: Limit = Field(description="An operator must have judged it this long after it opened.")
    take_s: Limit = Field(description="A grid worker must have taken the task this long after dispatch.")
    arrive_s: Limit = Field(description="The worker must be there this long after dispatch; not below take_s.")
    auto_dispatch: bool = Field(
        default=False, description="Judged by this policy: dispatched to the grid's worker at once."
    )
    escalate: tuple[AreaLevel, ...] = Field(
        default=(AreaLevel.VILLAGE, AreaLevel.TOWNSHIP, AreaLevel.COUNTY, AreaLevel.CITY),
        description="Who is told, in order, each time a limit passes again; upward, no level twice.",
    )
    escalate_every_s: PositiveSeconds = Field(default=60.0, description="Seconds until the next level is told.")
    check_s: Limit = Field(
        default=600.0, description="Not seen clear this long after it was handled: a person must check."
    )
    reopen_window_s: Annotated[float, Field(ge=0, le=7 * 86_400)] = Field(
        default=900.0, description="Raised again within this time of closing: the same incident is opened again."
    )

    @field_validator("arrive_s")
    @classmethod
    def _arrive_not_before_take(cls, value: float, info: ValidationInfo) -> float:
        take_s = info.data.get("take_s")
        if take_s is not None and value < take_s:
            raise problem("order", f"expected at least take_s ({take_s:g})", f"{value:g}", f"{take_s:g}")
        return value

    @field_validator("escalate")
    @classmethod
    def _upward(cls, value: tuple[AreaLevel, ...]) -> tuple[AreaLevel, ...]:
        heights = [_LEVELS_UP.index(level) for level in value]
        if heights != sorted(set(heights)):
            got = ", ".join(level.value for level in value)
            raise problem(
                "order", "expected levels upward, none twice", f"[{got}]", "[village, township, county, city]"
            )
        return value

    def takes(self, case: Case, at: datetime) -> bool:
        """True when this row is for the case, for a clock that starts at this moment (aware)."""
        return self.match.takes(case) and (self.when is None or self.when.is_active(at))

    def limits_counted(self) -> dict[str, float]:
        """Those that count working hours, by their keys, in seconds; `escalate_every_s` goes with each."""
        names = [f"{name}_s" for name in self.counts.limits] if self.counts else []
        return {name: getattr(self, name) for name in (*names, *(["escalate_every_s"] if names else []))}


class UnitFirst(Settings):
    """Which cases the managing unit of the lane is told of first, before a worker is sent. docs/units.md

    Fire, camera faults and severity 1 never wait for a unit, whatever is written here.
    """

    match: Match = Field(default=Match(), description="Which incidents; nothing written: all but the excepted.")
    when: Schedule | None = Field(default=None, description="Only in these hours; null: at any hour.")
    at: Literal["confirm", "opening"] = Field(
        default="confirm",
        description="confirm: when an operator confirms. opening: also where the policy dispatches by itself "
        "(auto_dispatch), before a worker is sent.",
    )
    reply_s: Limit = Field(default=300.0, description="The unit must have replied so long after it was told.")
    clear_s: Limit = Field(
        default=1200.0, description="It must have cleared so long after it said that it does; else a worker is sent."
    )
    steps: tuple[LadderStep, ...] = Field(
        min_length=1,
        max_length=6,
        description="By which channels of kind http the duty phone is told, one after the other, until the unit "
        "replies. Quiet hours and budgets of notices do not hold a duty phone.",
    )

    @field_validator("match")
    @classmethod
    def _nothing_urgent(cls, value: Match) -> Match:
        named = set() if value.hazard == ANY else NEVER_UNIT_FIRST & set(value.hazard)
        if named:
            words = ", ".join(sorted(hazard.value for hazard in named))
            raise problem("unit_first", "expected hazards that can wait for a unit", words, "take it out")
        if value.severity != ANY and Severity.RED in value.severity:
            raise problem("unit_first", "expected severity 2 to 4: 1 never waits", "1", "severity: [2, 3, 4]")
        return value

    def takes(self, case: Case, at: datetime) -> bool:
        """True when the unit is told first of this case at this moment (aware)."""
        hazard, severity, _, _ = case
        if hazard in NEVER_UNIT_FIRST or severity == Severity.RED or not self.match.takes(case):
            return False
        return self.when is None or self.when.is_active(at)


class Folding(Settings):
    """When alerts of one hazard are one incident."""

    radius_m: Annotated[float, Field(ge=0, le=10_000)] = Field(
        default=50.0, description="Alerts of cameras this near each other may be one incident."
    )
    window_s: Annotated[float, Field(ge=0, le=7 * 86_400)] = Field(
        default=900.0, description="Alerts that began within this time of each other may be one incident."
    )
    settle_s: Annotated[float, Field(ge=0, le=7 * 86_400)] = Field(
        default=0.0,
        description="Seen to be gone before anyone took it: it ends by itself this long after, so that what flickers "
        "asks once.",
    )
    confirm_s: Limit = Field(
        default=300.0,
        description="An alert held in a collective incident (see shedding) gets its own once it was there for so long "
        "in twice that time; in a storm, nearly all of it.",
    )
    confirm_cameras: Annotated[int, Field(ge=0, le=10)] = Field(
        default=2,
        description="As many cameras within radius_m that see it at once confirm a held alert; 0 or 1: this does not.",
    )
    flap_count: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=30, description="Held and raised so many times by one camera in flap_window_s: flapping; 0: never."
    )
    flap_window_s: Limit = Field(default=10_800.0, description="See flap_count.")
    places_at_once: Annotated[int, Field(ge=1, le=99)] = Field(
        default=20, description="More places than this held at once in one county are a storm: one incident."
    )
    node_cameras: Annotated[int, Field(ge=0, le=1_000)] = Field(
        default=4,
        description="Only camera_fault: as many cameras of one node that go offline within a minute are one incident, "
        "of the node; one that stays offline when the node is back gets its own; 0: never.",
    )


class Shedding(Settings):
    """When a county has more alerts than it can judge: what nothing has confirmed is held in collective incidents."""

    above_per_hour: PositiveSeconds | None = Field(
        default=None,
        description="Alerts in the last hour in one county above which alerts are held; left out: never. Fire, "
        "severity 1 and drills are never held.",
    )
    quiet_s: Limit = Field(
        default=14_400.0, description="A collective incident ends by itself after this long without an alert."
    )


class Seating(Settings):
    """What comes before which seat, in which row, and what waits a moment when much comes at once.

    A seat is a person on duty at the nearest staffed desk. Severity 1, fire and drills stand alone and never wait.
    """

    deal: bool = Field(
        default=True,
        description="false: nothing is dealt, everybody sees one list; of the rest `unstaffed_after_s` alone counts.",
    )
    batch_from_severity: Annotated[int, Field(ge=2, le=4)] | None = Field(
        default=3,
        description="Incidents of this severity or milder share a row with others of the same hazard in the same "
        "township; null: each has a row of its own.",
    )
    gathers_s: Limit = Field(default=900.0, description="A shared row takes incidents in for so long after its first.")
    sent_gathers_s: Limit = Field(
        default=3_600.0,
        description="The same of a row of incidents that were dispatched at once, of one hazard in one county.",
    )
    rows: Annotated[int, Field(ge=1, le=100)] = Field(
        default=4,
        description="When a seat got so many new rows in `rows_in_s`, further ones that may share a row wait.",
    )
    rows_in_s: Limit = Field(default=600.0, description="The time in which new rows of a seat are counted.")
    hold_s: Annotated[float, Field(ge=0, le=300)] = Field(
        default=60.0,
        description="A row waits at most so long, and never longer than half of the first judge limit in it.",
    )
    unstaffed_after_s: Annotated[float, Field(ge=30, le=3_600)] | None = Field(
        default=60.0,
        description="A seat on duty counts as unstaffed when its page has said for so long no more that somebody is "
        "there; its queue rises. null: only rosters say who is there; without `seating` it is 60. Seats whose page has "
        "never said so are where the roster says.",
    )


class Silencing(Settings):
    """How long alerts may be held back by silences, maintenance windows and known events; when one is proposed.

    Fire and smoke, severity 1 and drills never are, whatever is written here.
    """

    longest_s: Annotated[float, Field(gt=0, le=31 * 86_400)] = Field(
        default=604_800.0,
        description="A silence, a maintenance window, or an event without weekly bands may last this long.",
    )
    event_longest_s: Annotated[float, Field(gt=0, le=366 * 86_400)] = Field(
        default=15_811_200.0, description="An event with weekly bands may go on this long; half a year."
    )
    propose_after: Annotated[int, Field(ge=0, le=100)] = Field(
        default=3,
        description="As many incidents of one camera and rule closed as *permitted* at about the same time of day "
        "propose an event to a rule operator; 0: never.",
    )
    propose_within_s: Annotated[float, Field(gt=0, le=366 * 86_400)] = Field(
        default=2_592_000.0, description="Only what was closed within this time counts; 30 days."
    )
    same_time_s: Annotated[float, Field(gt=0, le=6 * 3_600)] = Field(
        default=7_200.0, description="Onsets whose times of day lie within this of each other are the same time."
    )
    proposed_for_s: Annotated[float, Field(gt=0, le=366 * 86_400)] = Field(
        default=2_592_000.0, description="A proposed event ends so long after it was proposed; 30 days."
    )
    keep_s: Annotated[float, Field(ge=86_400, le=5 * 366 * 86_400)] = Field(
        default=15_811_200.0,
        description="What is over is kept this long with its alerts and its why, then forgotten; half a year.",
    )

    @field_validator("proposed_for_s")
    @classmethod
    def _may_be_made(cls, value: float, info: ValidationInfo) -> float:
        longest_s = info.data.get("event_longest_s")
        if longest_s is not None and value > longest_s:
            raise problem(
                "order", f"expected at most event_longest_s ({longest_s:.0f})", f"{value:.0f}", f"{longest_s:.0f}"
            )
        return value


def _all_cases() -> list[Case]:
    return list(product(Hazard, Severity, PlaceClass, AreaLevel))


def _say(case: Case) -> str:
    hazard, severity, place_class, level = case
    return f"hazard={hazard.value}, severity={severity.value}, place_class={place_class.value}, level={level.value}"


def _refuse_resting(rows: tuple[Policy, ...], deciding: list[int], case: Case) -> None:
    """Nothing urgent waits for working hours unless its row says so."""
    hazard, severity, _, _ = case
    if hazard is not Hazard.FIRE_SMOKE and severity > Severity.ORANGE:
        return
    for i in deciding:
        counts = rows[i].counts
        if counts is not None and not counts.urgent:
            raise problem(
                "policy_rests",
                "expected fire and severity 1 and 2 to count every hour",
                f"row {i}, which counts calendar {counts.calendar} for {_say(case)}",
                "put a row without counts above it, or say urgent: true in counts",
            )


def _refuse_too_slow(rows: tuple[Policy, ...], calendars: dict[str, Calendar]) -> None:
    for i, row in enumerate(rows):
        calendar = calendars.get(row.counts.calendar) if row.counts else None  # one that is not there: loading says so
        for name, limit_s in row.limits_counted().items():
            if calendar is not None and row.counts is not None and too_slow(limit_s, calendar):
                raise problem(
                    "policy_slow",
                    "expected limits that pass within a year",
                    f"row {i}: {name} {limit_s:g} at {calendar.week_s} working seconds a week of calendar "
                    f"{row.counts.calendar}",
                    "a shorter limit, or more hours",
                )


class PolicyTable(Settings):
    """policies.yaml: rows in order, first match wins."""

    calendars: dict[CalendarName, Calendar] = Field(
        default={}, max_length=20, description="Working hours by name, for `counts` of a row."
    )
    policies: tuple[Policy, ...] = Field(
        min_length=1,
        max_length=200,
        description="Rows in order; the first that matches is used, and every case must match.",
    )
    folding: dict[Hazard, Folding] = Field(
        default={}, description="By hazard; what is not named folds by the defaults."
    )
    shedding: Shedding = Field(default=Shedding(), description="What is held when there are too many alerts to judge.")
    seating: Seating | None = Field(
        default=None,
        description="How new incidents are dealt to the seats of a desk; left out: all seats see one list.",
    )
    silencing: Silencing = Field(
        default=Silencing(), description="Silences, maintenance windows and known events: their longest, and proposals."
    )
    inhibition: Inhibition = Field(
        default=Inhibition(), description="Which faults of a camera mute what else it tells, until they are over."
    )
    notices: NoticeRules = Field(
        default=NoticeRules(), description="Who is told by which channel, when nothing says that it was received."
    )
    unit_first: tuple[UnitFirst, ...] = Field(
        default=(),
        max_length=50,
        description="Rows in order; the first that matches says how the managing unit of the lane in which an incident "
        "lies is told before a worker is sent. None: it is not.",
    )
    checklists: dict[Hazard, Annotated[tuple[ChecklistStep, ...], Field(max_length=MOST_STEPS)]] = Field(
        default={},
        description="What an operator looks at before judging, by hazard, in the place of the steps that are shipped; "
        "an empty list: none. Never compulsory.",
    )
    check_in_counts_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=1_800.0,
        description="For so long after a worker under way has told by a press where that is, it is a reason for who is "
        "sent next; 0: never.",
    )
    side_moves: SideMoves = Field(
        default=SideMoves(),
        description="How long a request waits for a second person; the longest suspension and supervision; how far and "
        "how often a limit is moved.",
    )
    sharing: Sharing | None = Field(
        default=None, description="What is told to other systems as CAP 1.2 messages; left out: nothing."
    )

    @field_validator("policies")
    @classmethod
    def _rows_are_whole(cls, rows: tuple[Policy, ...], info: ValidationInfo) -> tuple[Policy, ...]:
        used: set[int] = set()
        # By the rows that take a case: the hour they leave out, and which of them decide.
        known: dict[tuple[int, ...], tuple[str | None, set[int]]] = {}
        for case in _all_cases():
            takers = tuple(i for i, row in enumerate(rows) if row.match.takes(case))
            if takers not in known:
                hours = [rows[i].when for i in takers]
                deciding = {i for place, i in enumerate(takers) if is_of_use(hours[place], hours[:place])}
                known[takers] = first_gap(hours) if takers else "", deciding
                used |= deciding
            gap, deciding = known[takers]
            if gap is not None:
                at = f" on {gap}" if gap else ""
                raise problem(
                    "policy_hole",
                    "expected a row for every case at every hour" if gap else "expected a row for every case",
                    f"none for {_say(case)}{at}",
                    "end with a row without match and when: it takes what the others leave"
                    if gap
                    else "end with a row without match: it takes what the others leave",
                )
            _refuse_resting(rows, sorted(deciding), case)
        idle = next((i for i in range(len(rows)) if i not in used), None)
        if idle is not None:
            raise problem(
                "policy_idle",
                "expected every row to be of use",
                f"row {idle}, whose every case is taken by a row above it",
                "move it up, or take it out",
            )
        _refuse_too_slow(rows, info.data.get("calendars", {}))
        return rows

    @field_validator("checklists")
    @classmethod
    def _steps_differ(cls, found: dict[Hazard, tuple[ChecklistStep, ...]]) -> dict[Hazard, tuple[ChecklistStep, ...]]:
        for hazard, steps in found.items():
            ids = [step.step_id for step in steps]
            twice = next((step_id for step_id in ids if ids.count(step_id) > 1), None)
            if twice is not None:
                raise problem("step_twice", "expected each step_id once in a list", f"{twice} twice in {hazard.value}")
        return found

    def checklist_for(self, hazard: Hazard) -> tuple[ChecklistStep, ...]:
        """The steps of a hazard; empty: it has none."""
        return steps_for(self.checklists, hazard)

    def policy_for(
        self, hazard: Hazard, severity: Severity, place_class: PlaceClass, level: AreaLevel, at: datetime
    ) -> Policy:
        """The row that decides this case for a clock that starts at this moment (aware); there always is one."""
        case = (hazard, severity, place_class, level)
        return next(row for row in self.policies if row.takes(case, at))

    def folding_for(self, hazard: Hazard) -> Folding:
        """Radius and window of a hazard."""
        return self.folding.get(hazard, Folding())

    def channels_named(self) -> dict[str, str]:
        """Every channel that a step names, and where."""
        return {**self.unit_channels_named(), **self.notices.channels_named()}

    def unit_channels_named(self) -> dict[str, str]:
        """Those by which duty phones are told: "unit_first.0.steps.1.channel"."""
        return {
            step.channel: f"unit_first.{i}.steps.{j}.channel"
            for i, row in reversed(list(enumerate(self.unit_first)))
            for j, step in reversed(list(enumerate(row.steps)))
        }

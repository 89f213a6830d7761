"""The worker: clocks that are due, what is held, hidden or settled, notices, webhooks, roll-ups, retention,
partitions.

Several may run over one PostgreSQL: each row is worked on by one of them. A clock fires within a second of being due;
what was due while no worker ran fires at the next start.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any, Final

from xueliang_central.camera_rules import bringing, giving, spreading, watching
from xueliang_central.cap import service as cap
from xueliang_central.cap import set_aside
from xueliang_central.centre import Centre
from xueliang_central.clocks import timers
from xueliang_central.clocks.steadiness import SteadyClock
from xueliang_central.dispatch import reoffering, seats
from xueliang_central.dispatch.by_calendar import ByCalendar
from xueliang_central.dispatch.escalating import fire_some
from xueliang_central.dispatch.needing import not_needed
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.seat_board import AT_ONCE as DEALT_AT_ONCE
from xueliang_central.dispatch.staffing import Listener
from xueliang_central.errors import CentralError
from xueliang_central.fleet.by_areas import ByAreas
from xueliang_central.hand_overs import service as hand_overs
from xueliang_central.incidents.change import Rulebook
from xueliang_central.ingest import gating, releasing, silencing
from xueliang_central.ingest.partitions import ensure_months
from xueliang_central.intake import service as intake
from xueliang_central.intake.signing import FILE_NAME as INTAKE_KEY
from xueliang_central.jobs import Job, Jobs
from xueliang_central.noise import following, in_force
from xueliang_central.notices import climbing, outbox
from xueliang_central.notices.channels import open_channels
from xueliang_central.notices.sending import Sender
from xueliang_central.notices.targets import Targets
from xueliang_central.reports import rolling
from xueliang_central.retention.sweeping import PAUSE_S, Sweep
from xueliang_central.silences import proposals
from xueliang_central.silences import service as silences
from xueliang_central.units.reaching import UnitReach
from xueliang_central.webhooks.telling import Teller

log = logging.getLogger(__name__)

LOOK_S: Final = 0.25  # a clock started by another process is seen within this
CLOCKS_AT_ONCE: Final = 100  # in one transaction, whose incidents wait for its end
NOTICES_S: Final = 0.5
FOLDING_S: Final = 1.0
GATE_S: Final = 5.0  # from the signature to the first of the alerts that were held
GATE_MOST: Final = 1000  # of held alerts in one look, in transactions that leave the writer to others
CALL_BACKS_S: Final = 60.0
PRESENCE_S: Final = 2.0
CANARIES_S: Final = 5.0
FOLLOWING_S: Final = 20.0  # how soon after midnight or an import areas are followed, and calendars
PARTITIONS_S: Final = 6 * 3600.0
FORGET_S: Final = 3600.0
ROLL_UP_S: Final = 20.0  # how old a report may be
ROLL_UP_PAUSE_S: Final = 0.01  # between steps: a first roll-up of a long past leaves the writer to others
RETENTION_S: Final = 3600.0
RETENTION_FIRST_S: Final = 1800.0  # after an upgrade: time to look what would go, and to hold what must not


class Worker:
    """Made once per process that has the role."""

    def __init__(self, centre: Centre) -> None:
        self._database = centre.database
        self._rulebook = Rulebook.of(centre.areas, centre.policies)
        self._wall = centre.wall
        self.clock = SteadyClock(centre.wall, centre.mono)
        self._areas = centre.areas
        self._notice_rules = centre.policies.notices
        chosen = centre.settings.notices
        self.sender = Sender(
            centre.database,
            open_channels(chosen, centre.wall),
            not_needed,
            centre.wall,
            origin=centre.settings.link_origin,
            language=chosen.language,
            deadline_s=chosen.deadline_s,
            reach_unit=UnitReach(
                centre.settings.data_dir / INTAKE_KEY,
                centre.settings.link_origin,
                by_text=chosen.unit_reply_token is not None,
            ),
        )
        self.teller = Teller(
            centre.database,
            centre.wall,
            Targets(chosen.private_targets),
            centre.settings.data_dir / INTAKE_KEY,
            deadline_s=chosen.deadline_s,
        )
        self.by_areas = ByAreas(centre.database, centre.areas, centre.wall)
        self.by_calendar = ByCalendar(centre.database, self._rulebook, centre.policies.calendars, centre.wall)
        self._sweep = Sweep(
            centre.database, centre.pictures, centre.settings.retention, centre.wall, self.clock.is_steady
        )
        self._sharing = centre.policies.sharing
        self._health = centre.health
        self._gate = centre.gate
        self._origin = centre.settings.public_origin
        self._listener = Listener(centre.mono)
        self._task: asyncio.Task[None] | None = None
        self.counts: Counter[str] = Counter()
        self.jobs = Jobs(self._list(), self.clock, self.counts)

    async def start(self) -> None:
        self._task = asyncio.create_task(self.jobs.run(), name="worker")

    async def stop(self) -> None:
        """What is in hand and not committed is undone, and done by the next worker."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self.sender.close()
        await self.teller.close()

    def _list(self) -> tuple[Job, ...]:
        """What is not held does nothing by the hour, or nothing that a second look would not set right."""
        return (
            Job("clocks", self.fire_due, LOOK_S, held=True),
            Job("letting_go", self.let_go, FOLDING_S, held=True),
            Job("settling", self.settle, FOLDING_S, held=True),
            Job("reoffering", self.reoffer, FOLDING_S),
            Job("seats", self.deal, FOLDING_S),
            Job("presence", self.listen, PRESENCE_S),
            Job("forgetting_seats", self.forget_seats, FORGET_S, held=True),
            Job("silences", self.end_silences, FOLDING_S, held=True),
            Job("forgetting", self.forget_silences, FORGET_S, held=True),
            Job("letting_out", self.let_out, FOLDING_S, held=True),
            Job("camera_gate", self.let_through, GATE_S),
            Job("notices", self.send_notices, NOTICES_S),
            Job("climbing", self.climb, NOTICES_S, held=True),
            Job("channels", self.sender.look, NOTICES_S),
            Job("rollups", self.roll_up, ROLL_UP_S),
            Job("noise", self.follow_noise, ROLL_UP_S),
            Job("forgetting_noise", self.forget_noise, FORGET_S, held=True),
            Job("retention", self.remove_old, RETENTION_S, held=True, first_s=RETENTION_FIRST_S),
            Job("levels", self.spread_levels, FOLDING_S),
            Job("canaries", self.watch_canaries, CANARIES_S, held=True),
            Job("cap", self.tell_others, FOLDING_S),
            Job("webhooks", self.teller.look, FOLDING_S, held=True),
            Job("call_backs", self.forget_call_backs, CALL_BACKS_S, held=True),
            Job("by_areas", self.by_areas.look, FOLLOWING_S, held=True),
            Job("by_calendar", self.by_calendar.look, FOLLOWING_S, held=True),
            Job("partitions", self._partitions, PARTITIONS_S),
        )

    async def fire_due(self) -> int:
        """Fire every clock that is due now, some in each transaction; returns how many.

        A transaction costs more than a firing in it: where many limits pass in one second, the last of them would wait.
        """
        fired = 0
        while await self._is_due():
            try:
                some = await self._fire_some(CLOCKS_AT_ONCE)
            except CentralError:
                raise  # all of them wait for the same
            except Exception:  # what another's fault has undone does not wait for it, until it is the first itself
                self.counts["clocks_undone"] += 1
                some = await self._fire_some(1)
            if not some:
                break  # another worker has it
            fired += some
        return fired

    async def _fire_some(self, most: int) -> int:
        async with changing(self._database, self._rulebook, self._wall) as change:
            some = await fire_some(change, most)
        self.counts["clocks_fired"] += some
        return some

    async def _is_due(self) -> bool:
        """Asked by reading, so that an idle worker never takes the writer's place."""
        async with self._database.reading() as conn:
            due_at = await timers.next_due_at(conn)
        return due_at is not None and due_at <= self._wall()

    async def let_go(self) -> int:
        """Let go what is held and stays; returns how many incidents that changed."""
        async with self._database.reading() as conn:
            if not await releasing.is_any_held(conn):
                return 0
        async with changing(self._database, self._rulebook, self._wall) as change:
            changed = await releasing.let_go(change)
        self.counts["folded_again"] += changed
        return changed

    async def settle(self) -> int:
        """End what has settled, as much as one transaction should; returns how many incidents."""
        async with self._database.reading() as conn:
            if not await releasing.is_any_settled(conn, self._rulebook, self._wall()):
                return 0
        async with changing(self._database, self._rulebook, self._wall) as change:
            ended = await releasing.settle(change)
        self.counts["folded_again"] += ended
        return ended

    async def reoffer(self) -> int:
        """Offer tasks of disabled accounts to others; returns how many."""
        done = 0
        while True:
            async with self._database.reading() as conn:
                if not await reoffering.is_any(conn):
                    break
            async with changing(self._database, self._rulebook, self._wall) as change:
                if not await reoffering.reoffer_next(change):
                    break
            done += 1
        self.counts["reoffered"] += done
        return done

    async def deal(self) -> int:
        """Deal what is new to the seats of desks, and show what has waited long enough; returns how much was done."""
        rule = self._rulebook.seating
        done, some = 0, DEALT_AT_ONCE
        while some >= DEALT_AT_ONCE:
            async with self._database.reading() as conn:
                if not await seats.is_any_to_deal(conn, self._rulebook.tree, rule, self._wall()):
                    break
            async with changing(self._database, self._rulebook, self._wall) as change:
                some = await seats.deal(change)
            self.counts["dealt"] += some
            done += some
            await asyncio.sleep(PAUSE_S)
        return done

    async def listen(self) -> int:
        """Which seats count as unstaffed, and which no longer; returns how many have changed."""
        after_s = self._rulebook.unstaffed_after_s
        changed = await self._listener.look(self._database, self._rulebook.tree, after_s, self._wall())
        self.counts["seats_changed"] += changed
        return changed

    async def forget_seats(self) -> int:
        """Forget rows of seats that have been over for two days, and old notes of hand-over; returns how many."""
        async with changing(self._database, self._rulebook, self._wall) as change:
            return await seats.forget(change) + await hand_overs.forget(change.conn, change.now)

    async def end_silences(self) -> int:
        """Expire silences and proposals whose time is over; returns how many."""
        now = self._wall()
        async with self._database.reading() as conn:
            if not await silences.is_any_due(conn, now) and not await proposals.is_any_due(conn, now):
                return 0
        async with changing(self._database, self._rulebook, self._wall) as change:
            expired = await silences.expire(change) + await proposals.lapse(change)
        self.counts["silences_expired"] += expired
        return expired

    async def forget_silences(self) -> int:
        """Forget silences and proposals that have been over for as long as the policy keeps them; returns how many."""
        forgotten = 0
        while True:
            async with changing(self._database, self._rulebook, self._wall) as change:
                some = await silences.forget(change) + await proposals.forget(change)
            if not some:
                return forgotten
            forgotten += some
            self.counts["silences_forgotten"] += some

    async def let_out(self) -> int:
        """Let what is hidden by nothing any more ask, as much as one transaction should; returns how many alerts."""
        async with self._database.reading() as conn:
            if not await silencing.is_any_to_let_out(conn, self._wall()):
                return 0
        try:
            async with changing(self._database, self._rulebook, self._wall) as change:
                shown = await releasing.let_out(change)
        except CentralError:
            raise  # all of them wait for the same
        except Exception:
            shown = await self._let_out_one_by_one()
        self.counts["let_out"] += shown
        return shown

    async def _let_out_one_by_one(self) -> int:
        """One of them cannot be placed: the others do not wait for it. Raises what the last of such raised."""
        async with self._database.reading() as conn:
            hidden = await silencing.to_let_out(conn, self._wall())
        shown, trouble = 0, None
        for alert_id in hidden:
            try:
                async with changing(self._database, self._rulebook, self._wall) as change:
                    shown += await releasing.let_out(change, only=alert_id)
            except Exception as error:
                log.exception("a hidden alert cannot be let out", extra={"alert_id": alert_id})
                trouble = error
        if trouble is not None and not shown:
            raise trouble  # nothing else to do: the next look waits longer
        self.counts["let_out_stuck"] += trouble is not None
        return shown

    async def let_through(self) -> int:
        """Place alerts that were held of cameras that are released now; returns how many."""
        placed = 0
        while placed < GATE_MOST:
            async with self._database.reading() as conn:
                if not await gating.is_any_to_let_through(conn, self._gate, self._wall()):
                    break
            some = await self._let_through_some()
            placed += some
            if some < gating.AT_ONCE:
                break  # that was all, another worker has the rest, or some cannot be placed
            await asyncio.sleep(PAUSE_S)
        return placed

    async def _let_through_some(self) -> int:
        try:
            async with changing(self._database, self._rulebook, self._wall) as change:
                placed = await gating.let_through(change, self._gate)
        except CentralError:
            raise  # all of them wait for the same
        except Exception:
            placed = await self._let_through_one_by_one()
        self.counts["let_through"] += placed
        return placed

    async def _let_through_one_by_one(self) -> int:
        """One of them cannot be placed: the others do not wait for it. Raises what the last of such raised."""
        async with self._database.reading() as conn:
            held = await gating.to_let_through(conn, self._gate, self._wall())
        placed, trouble = 0, None
        for alert_id in held:
            try:
                async with changing(self._database, self._rulebook, self._wall) as change:
                    placed += await gating.let_through(change, self._gate, only=alert_id)
            except Exception as error:
                log.exception("a held alert cannot be placed", extra={"alert_id": alert_id})
                trouble = error
        if trouble is not None and not placed:
            raise trouble  # nothing else to do: the next look waits longer
        return placed

    async def send_notices(self) -> int:
        """Send every notice that is due now; returns how many were tried."""
        now = self._wall()
        async with self._database.reading() as conn:
            if not await outbox.is_any_due(conn, now):
                return 0
        async with self._database.transaction() as conn:
            tried = await outbox.deliver(conn, now)
        self.counts["notices_tried"] += tried
        return tried

    async def climb(self) -> int:
        """Take the notices that nobody has received up their ladders, as many as one transaction should."""
        now = self._wall()
        async with self._database.reading() as conn:
            if not await climbing.is_any_due(conn, now):
                return 0
        async with self._database.transaction() as conn:
            done = await climbing.climb(conn, self._notice_rules, not_needed, now)
        self.counts.update({f"notices_{name}": number for name, number in done.items()})
        return done["looked"]

    async def roll_up(self) -> int:
        """Bring the roll-ups up to date, a bounded step at a time; returns how many events and units were done.

        What happens meanwhile is for the next time: else it would never end in a city where something always does.
        """
        async with self._database.reading() as conn:
            if not await rolling.is_any_to_do(conn):
                return 0
        done, some = 0, rolling.EVENTS_AT_ONCE
        while some == rolling.EVENTS_AT_ONCE:
            async with self._database.transaction() as conn:
                some = await rolling.mark(conn)
            done += some
            await asyncio.sleep(ROLL_UP_PAUSE_S)
        while some := await self._compute_some():
            done += some
            await asyncio.sleep(ROLL_UP_PAUSE_S)
        self.counts["rolled_up"] += done
        return done

    async def _compute_some(self) -> int:
        async with self._database.transaction() as conn:
            return await rolling.compute(conn, self._wall())

    async def follow_noise(self) -> int:
        """Bring what the noise board is answered from up to date, a bounded step at a time; returns how many events and
        cameras were looked at."""
        done, some = 0, following.EVENTS_AT_ONCE
        async with self._database.reading() as conn:
            waiting = await following.behind(conn)
        while waiting and some == following.EVENTS_AT_ONCE:
            async with self._database.transaction() as conn:
                some = await following.follow(conn, self._rulebook.folding, self._wall())
            done += some
            await asyncio.sleep(ROLL_UP_PAUSE_S)
        some = in_force.CAMERAS_AT_ONCE
        while some == in_force.CAMERAS_AT_ONCE:
            async with self._database.reading() as conn:
                if not await in_force.is_any_changed(conn):
                    break
            async with self._database.transaction() as conn:
                some = await in_force.follow(conn)
            done += some
            await asyncio.sleep(ROLL_UP_PAUSE_S)
        self.counts["noise_followed"] += done
        return done

    async def forget_noise(self) -> int:
        """Forget rows that no span of the board reaches any more; returns how many."""
        gone = 0
        while True:
            async with self._database.transaction() as conn:
                some = await following.forget(conn, self._wall())
            if not some:
                return gone
            gone += some
            await asyncio.sleep(PAUSE_S)

    async def remove_old(self) -> int:
        """Remove what has been kept long enough; returns how much."""
        removed = await self._sweep.run()
        self.counts["removed"] += removed
        return removed

    async def spread_levels(self) -> int:
        """Bring what areas say for rules, and rules that are copied, to the cameras, a lot at a time; returns how many
        cameras were gone to."""
        done = 0
        ways: tuple[bringing.Way[Any, Any], ...] = (spreading.WAY, giving.WAY)
        for way in ways:
            some = 1
            while some:
                async with self._database.reading() as conn:
                    if not await bringing.is_any_spreading(conn, way):
                        break
                async with self._database.transaction() as conn:
                    some = await bringing.spread(conn, way, self._wall())
                done += some
                await asyncio.sleep(ROLL_UP_PAUSE_S)
        self.counts["rules_followed"] += done
        return done

    async def watch_canaries(self) -> int:
        """Look at every canary that is due, each in a transaction of its own; returns how many."""
        looks = 0
        while True:
            async with self._database.reading() as conn:
                if not await watching.is_any_due(conn, self._wall()):
                    return looks
            async with self._database.transaction() as conn:
                if not await watching.look(conn, self._areas.tree, self._wall()):
                    return looks  # another worker has it
            looks += 1
            self.counts["canary_looks"] += 1

    async def tell_others(self) -> int:
        """Tell other systems what has happened, as much as one transaction should; returns how many messages."""
        async with self._database.reading() as conn:
            aside = await set_aside.count(conn)
            is_any_due = await cap.is_any_due(conn, self._wall(), self._sharing)
        self._health.note("cap", f"{aside} incidents cannot be told to others, see the log" if aside else None)
        if not is_any_due:
            return 0
        async with changing(self._database, self._rulebook, self._wall) as change:
            told = await cap.tell(change, self._sharing, origin=self._origin)
        self.counts["cap_messages"] += told
        return told

    async def forget_call_backs(self) -> int:
        """Erase residents' numbers whose time is over; returns how many."""
        async with self._database.reading() as conn:
            if not await intake.is_any_to_forget(conn, self._wall()):
                return 0
        async with self._database.transaction() as conn:
            forgotten = await intake.forget_call_backs(conn, self._wall())
        self.counts["call_backs_forgotten"] += forgotten
        return forgotten

    async def _partitions(self) -> int:
        await ensure_months(self._database, self._wall())
        return 0

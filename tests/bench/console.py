"""The three screens in a real browser without a GPU: how soon, how smooth, how large, and for whom.

    ./run bench console                         all but the heap
    ./run bench console --parts command,axe     of command, axe, phone, taps, whatif, case, inforce
    ./run bench console --parts command --screen 1920x1080
    ./run bench console --parts command --heap-minutes 30

The command page is that of a city of 3,600 areas, 30,000 cameras and 500 open incidents, with PostgreSQL, a broker, an
ingest process and one that speaks HTTP; nodes are played. The other parts run on the small demo city; `inforce` has no
browser: rules go from the API to a real node and back.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import threading
from pathlib import Path
from typing import Final

import numpy as np
from playwright.sync_api import Browser, Page
from sqlalchemy import text

from tests.bench.centre_bench.people import Viewer, sign_in, viewers
from tests.bench.centre_bench.stored import Past, make_past
from tests.bench.centre_bench.streaming import Told
from tests.bench.console_bench import rules_in_force, small_pages
from tests.bench.console_bench.desk_page import (
    Whole,
    city_desk,
    closed_after,
    heap_mb,
    opened,
    panned,
    rows_seen,
    watch_rows,
)
from tests.bench.console_bench.judging import Judging
from tests.bench.console_bench.sizes import scripts_kb
from tests.bench.figures import Figures
from tests.bench.ingest_bench.city import CAMERAS_PER_NODE, COUNTIES, GRIDS, NODES, TOWNSHIPS, VILLAGES
from tests.bench.ingest_bench.episodes import check_templates
from tests.bench.ingest_bench.fleet import Fleet
from tests.bench.ingest_bench.system import System, running_system, wait_until_at_work, wait_until_up
from tests.support.accessibility import require_axe
from tests.support.brokers import free_port
from tests.support.browser import desk, open_browser, requested, require_console
from xueliang_alerts.clocks import system_wall
from xueliang_central.store.database import Database

FOLDER: Final = Path(".run/bench/console")
PARTS: Final = ("command", *small_pages.PARTS, "inforce")
SCREEN_WH: Final = (1366, 768)
OPEN: Final = 500
PAST: Final = Past(2_000, OPEN, 20)
_AREAS = 1 + COUNTIES * (1 + TOWNSHIPS * (1 + VILLAGES * (1 + GRIDS)))
WHOLE: Final = Whole(_AREAS, NODES * CAMERAS_PER_NODE, OPEN)
PER_S: Final = 5.0

KEYS = (
    "command_interactive_s",
    "command_queue_s",
    "map_fps",
    "map_worst_frame_ms",
    "alert_visible_p50_s",
    "alert_visible_p99_s",
    "alerts_seen",
    "alerts_not_seen",
    "heap_mb",
    "heap_growth_mb",
    "heap_minutes",
    "heap_slope_mb_per_hour",
    "base_js_kb",
    "map_js_kb",
    *small_pages.KEYS,
    *rules_in_force.KEYS,
)


def add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("console only", f"--parts: of {','.join(PARTS)}")
    group.add_argument(
        "--heap-minutes", type=float, default=0.0, metavar="M", help="watch the command page's heap for so long"
    )
    group.add_argument(
        "--screen",
        type=_size,
        default=SCREEN_WH,
        metavar="WxH",
        help="of the command page, in pixels; default 1366x768",
    )


def _size(told: str) -> tuple[int, int]:
    width, by, height = told.partition("x")
    if not (by and width.isdecimal() and height.isdecimal() and min(int(width), int(height)) >= 320):
        raise argparse.ArgumentTypeError(
            f"expected WIDTHxHEIGHT of 320 pixels or more, for example 1920x1080, got {told!r}"
        )
    return int(width), int(height)


def measure(options: argparse.Namespace, figures: Figures) -> None:
    parts = options.parts or PARTS
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise SystemExit(f"--parts: expected of {','.join(PARTS)}, got {','.join(unknown)}")
    if set(parts) - {"inforce"}:
        require_console()
    if "axe" in parts:
        require_axe()
    shutil.rmtree(FOLDER, ignore_errors=True)
    if "command" in parts:
        _command(options, figures)
    if "inforce" in parts:
        rules_in_force.measure(FOLDER / "rules", 10 if options.quick else 50, figures)
    if set(parts) & set(small_pages.PARTS):
        with open_browser() as browser:
            small_pages.measure(parts, browser, FOLDER / "small", figures, is_quick=options.quick)


def _command(options: argparse.Namespace, figures: Figures) -> None:
    check_templates(system_wall())
    seat = next(one for one in viewers() if len(one.area_code) == 4)
    with running_system(FOLDER / "city", options.broker, is_shedding=options.shed) as system:
        asyncio.run(_prepare(system.database_url, seat))
        system.postgres.execute("vacuum analyze", database="bench")
        port = free_port()
        system.start_ingest()
        wait_until_at_work(system)
        system.start_api(port)
        wait_until_up(system, port)
        origin = f"http://127.0.0.1:{port}"
        # The browser's thread has a running event loop: what asks the database comes before or after.
        with open_browser() as browser:
            _sizes(options, browser, origin, seat, figures)
            _openings(options, browser, origin, seat, 2 if options.quick else 5, figures)
            told, seen = _live(options, system, browser, origin, seat, figures)
        cameras = asyncio.run(_cameras_of(system.database_url, list(seen)))
    first = {camera: seen[incident] for incident, camera in cameras.items()}
    waits = [first[camera] - at for camera, at in told.items() if camera in first]
    figures["alerts_seen"], figures["alerts_not_seen"] = len(waits), len(told) - len(waits)
    if waits:
        p50, p99 = np.percentile(waits, (50, 99))
        figures["alert_visible_p50_s"], figures["alert_visible_p99_s"] = float(p50), float(p99)


def _openings(
    options: argparse.Namespace, browser: Browser, origin: str, seat: Viewer, times: int, figures: Figures
) -> None:
    found = []
    for _ in range(times):
        with closed_after(city_desk(browser, origin, seat.token, WHOLE, options.screen)) as page:
            found.append(opened(page, 300.0))
    figures["command_interactive_s"] = statistics.median(one.interactive_s for one in found)
    figures["command_queue_s"] = statistics.median(one.rows_s for one in found)
    with closed_after(city_desk(browser, origin, seat.token, WHOLE, options.screen)) as page:
        opened(page, 300.0)
        moved = panned(page)
        page.screenshot(path=str(FOLDER / "command.png"))  # to look at
        figures["map_fps"], figures["map_worst_frame_ms"] = moved.fps, moved.worst_ms


def _sizes(options: argparse.Namespace, browser: Browser, origin: str, seat: Viewer, figures: Figures) -> None:
    with closed_after(desk(browser, origin)) as page:
        page.goto("/login")
        page.get_by_test_id("username").wait_for()
        figures["base_js_kb"] = scripts_kb(requested(page))
    with closed_after(city_desk(browser, origin, seat.token, WHOLE, options.screen)) as page:
        opened(page, 300.0)
        figures["map_js_kb"] = scripts_kb(requested(page))


def _live(
    options: argparse.Namespace, system: System, browser: Browser, origin: str, seat: Viewer, figures: Figures
) -> tuple[dict[str, float], dict[str, float]]:
    """Five alerts a second, after the storm in which 30,000 cameras come up.

    Gives what was raised when (by camera) and what had a row when (by incident), seconds of the wall clock.
    """
    fleet = Fleet([system.broker.centre_link("bench-0")])
    load = Told(system, fleet, seed=2)
    with closed_after(city_desk(browser, origin, seat.token, WHOLE, options.screen)) as page:
        opened(page, 300.0)  # nothing of the opening is measured here
        _offer(load, 35.0, page)
        watch_rows(page)
        known = set(load.raised)  # their incidents have a row already
        load.raised.clear()
        _offer(load, 20.0 if options.quick else 90.0, page)
        told = {camera: at for camera, at in load.raised.items() if camera not in known}
        page.wait_for_timeout(3_000)
        seen = rows_seen(page)
        figures["heap_mb"] = heap_mb(page)
        if options.heap_minutes:
            with Judging(origin, seat.token) as judging:
                _offer(load, 60.0, page)  # what was left to judge of before is gone
                _heap(load, page, options.heap_minutes, figures)
            print(f"  closed by another desk: {judging.closed}, not taken: {judging.refused}")
    return told, seen


def _heap(load: Told, page: Page, minutes: float, figures: Figures) -> None:
    """The heap after a collection of garbage, minute by minute; the slope is that of a straight line through them."""
    heaps, at_min = [heap_mb(page)], [0.0]
    while at_min[-1] < minutes:
        step = min(1.0, minutes - at_min[-1])
        _offer(load, step * 60, page)
        heaps.append(heap_mb(page))
        at_min.append(at_min[-1] + step)
        rows = page.get_by_test_id("incident-row").count()
        print(f"  heap after {at_min[-1]:.0f} min: {heaps[-1]:.1f} MB, {rows} rows", flush=True)
    figures["heap_growth_mb"], figures["heap_minutes"] = heaps[-1] - heaps[0], minutes
    figures["heap_slope_mb_per_hour"] = float(np.polyfit(at_min, heaps, 1)[0]) * 60


def _offer(load: Told, seconds: float, page: Page) -> None:
    """Offered by another thread: this one belongs to the browser, which must be listened to meanwhile."""
    thread = threading.Thread(target=load.offer, args=("seen", PER_S, seconds), name="offering")
    thread.start()
    while thread.is_alive():
        page.wait_for_timeout(200)
    thread.join()


async def _prepare(url: str, seat: Viewer) -> None:
    database = await Database.open(url, wait_s=60)
    try:
        await make_past(database, PAST, system_wall())
        await sign_in(database, [seat], system_wall())
    finally:
        await database.close()


async def _cameras_of(url: str, incident_ids: list[str]) -> dict[str, str]:
    """Incident to camera, of the newest of each camera."""
    database = await Database.open(url, wait_s=60)
    try:
        async with database.reading() as conn:
            query = text("select incident_id, camera_id from incidents where number not like 'S%'")
            rows = (await conn.execute(query)).all()
    finally:
        await database.close()
    wanted = set(incident_ids)
    return {str(row.incident_id): row.camera_id for row in rows if str(row.incident_id) in wanted}

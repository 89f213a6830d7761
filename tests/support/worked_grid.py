"""A grid of the demo city with cameras beside each other, the node that has them, and the people who work there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.puppet_node import CentreOnly, PuppetNode
from xueliang_demo.api_client import Person
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

DIGITS: Final = {"city": 4, "village": 12, "grid": 15}
"""Of an area's code."""


@contextmanager
def worked_grid(
    folder: Path, cameras: int, *people: tuple[str, str, str, str], policies: dict[str, Any] = POLICIES
) -> Iterator[tuple[CentreOnly, PuppetNode, Person]]:
    """A centre, its node and the city's operator, who is always there and signed in; all end with the block.

    cameras: how many; named 东巷0号 and so on.
    people: user name, role, level of the own area on the way to the grid, name.
    """
    city = make_city(DEMO)
    place = city.of_level("grid")[3]
    point = place.polygon.representative_point()
    watched = tuple(
        WatchedCamera(f"cam-{i}", f"东巷{i}号", "file:none.mp4", place.code, point.x + i * 0.002, point.y)
        for i in range(cameras)
    )
    everybody = (("operator", "operator", "city", "值班员"), *people)
    accounts = tuple(Account(one, role, place.code[: DIGITS[level]], name) for one, role, level, name in everybody)
    with CentreOnly(folder, Plan(city, watched, (), accounts, policies)) as installation:
        installation.start()
        operator = installation.log_in("operator")
        with PuppetNode(installation, {one.camera_id: "streaming" for one in watched}) as node:
            yield installation, node, operator
        operator.close()

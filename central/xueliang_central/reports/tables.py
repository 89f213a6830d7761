"""Roll-ups: one row for each local day, shift, area, hazard and part, of everything at or below that area.

Invariants
    - A row of an area is what lies in that area itself plus the rows of the areas one level down, of the same period.
      `rollup_marks` names what may not be so now; without marks, and with `rollup_state` at the end of the events,
      every row is right.
    - Marks, rows and the position among the events change in one transaction, under the lock of the state's row: a
      process killed anywhere leaves what the next one goes on with.
    - Rows are recomputed from the facts, never added to: rolling up twice changes nothing.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Date, Index, Integer, LargeBinary, String, Table

from xueliang_central.reports.facts import COUNTS
from xueliang_central.store.metadata import UtcDateTime, metadata

PARTS: Final = ("incidents", "silenced")  # what is hidden is forgotten earlier than incidents are: a part of its own

rollups: Final = Table(
    "rollups",
    metadata,
    Column("area_code", String(15), primary_key=True),
    Column("day", Date, primary_key=True),  # local
    Column("shift", Integer, primary_key=True, autoincrement=False),
    Column("hazard", String(40), primary_key=True),
    Column("drill", Boolean, primary_key=True),
    Column("part", String(9), primary_key=True),
    Column("parent_code", String(15)),  # by the digits; null: a city
    *(Column(name, Integer, nullable=False) for name in COUNTS),
    Column("durations", LargeBinary),  # see `histograms.pack`
)
Index("rollups_by_parent", rollups.c.parent_code, rollups.c.day)

rollup_marks: Final = Table(
    "rollup_marks",
    metadata,
    Column("height", Integer, primary_key=True, autoincrement=False),  # 0 a grid, rising to the city: in this order
    Column("day", Date, primary_key=True),
    Column("shift", Integer, primary_key=True, autoincrement=False),
    Column("part", String(9), primary_key=True),
    Column("area_code", String(15), primary_key=True),
)

rollup_state: Final = Table(
    "rollup_state",
    metadata,
    Column("name", String(8), primary_key=True),  # one row: "events"
    Column("position", BigInteger, nullable=False),  # the last event whose incidents are marked
    Column("rolled_at", UtcDateTime),
)

"""Months of `spool_records` on PostgreSQL: the one that runs and the next are made ahead; old ones can be dropped."""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from xueliang_central.store.database import Database

log = logging.getLogger(__name__)


def month_after(year: int, month: int) -> tuple[int, int]:
    return (year + 1, 1) if month == 12 else (year, month + 1)


def statement_for(year: int, month: int) -> str:
    """Numbers only, so nothing of it needs quoting."""
    next_year, next_month = month_after(year, month)
    return (
        f"create table if not exists spool_records_{year:04d}{month:02d} partition of spool_records "
        f"for values from ('{year:04d}-{month:02d}-01 00:00+00') to ('{next_year:04d}-{next_month:02d}-01 00:00+00')"
    )


async def ensure_months(database: Database, now: datetime) -> None:
    """Make the partitions of this month and the next. Rows that find none go to the default one: nothing is lost."""
    if database.dialect != "postgresql":
        return
    for year, month in ((now.year, now.month), month_after(now.year, now.month)):
        try:
            async with database.transaction() as conn:
                await conn.execute(text(statement_for(year, month)))
        except DBAPIError as error:  # the default holds rows of that month already, or we may not create tables
            log.warning("no partition for the month", extra={"month": f"{year}-{month:02d}", "why": str(error.orig)})

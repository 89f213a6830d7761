"""An ingest in a process of its own, to be killed. Arguments: database URL, broker port, user, password, and where the
intake key lies when it takes signals of stations."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from pydantic import SecretStr

from tests.integration.central.flow.stage import POLICIES
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_central.cameras.gate import Gate
from xueliang_central.centre import Centre, Settings
from xueliang_central.ingest.service import IngestService
from xueliang_central.intake.over_mqtt import StationSignals
from xueliang_central.running import centre_on
from xueliang_central.store.database import Database
from xueliang_configs.node import BrokerConfig
from xueliang_configs.policies import PolicyTable


async def open_service(
    url: str, port: int, user: str, password: str, intake_key: Path | None = None
) -> tuple[Centre, IngestService]:
    """Not started yet. Close the centre's database when done."""
    database = await Database.open(url, wait_s=20)
    table = PolicyTable.model_validate(POLICIES)
    centre = centre_on(
        database,
        Settings(Path(tempfile.gettempdir()), camera_gate=Gate.TELL),
        table,
        wall=system_wall,
        mono=system_mono,
    )
    await centre.areas.refresh(database)
    broker = BrokerConfig(port=port, username=user, password=SecretStr(password))
    takes_signals = None if intake_key is None else StationSignals(intake_key)
    no_key = Path(tempfile.gettempdir()) / "no-such-signing.key"
    return centre, IngestService(centre, broker, no_key, takes_signals=takes_signals)


async def main(url: str, port: str, user: str, password: str, intake_key: str = "") -> None:
    key_path = Path(intake_key) if intake_key else None
    _, service = await open_service(url, int(port), user, password, key_path)
    await service.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""Every test of this folder that asks for `broker` runs on both brokers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.brokers import BROKER_KINDS, BrokerKind, TestBroker, running_broker
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.spool import Spool


@pytest.fixture(
    params=[pytest.param(kind, marks=pytest.mark.mosquitto if kind == "mosquitto" else ()) for kind in BROKER_KINDS]
)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestBroker]:
    kind: BrokerKind = request.param
    with running_broker(kind, tmp_path, node_ids=["edge-01", "edge-02"]) as running:
        yield running


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool.open(tmp_path / "spool", "edge-01", wall=system_wall, mono=system_mono) as opened:
        yield opened

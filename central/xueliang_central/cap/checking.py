"""Whether the settings of `sharing` make messages: tried before the centre starts, with every kind of message."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from shapely.geometry import Polygon

from xueliang_alerts.contract import Hazard
from xueliang_central.areas.tree import Area, Level
from xueliang_central.cap.deciding import Facts, MessageType, Phase
from xueliang_central.cap.document import Message, document_of
from xueliang_configs.centre import CentreConfig
from xueliang_configs.errors import ConfigError, Problem
from xueliang_configs.policies import PolicyTable
from xueliang_configs.sharing import Sharing

_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_AREA: Final = Area("3701", "示例市", "Example", Level.CITY, None, "3701", Polygon(), None)
_REASONS: Final = {Phase.WITHDRAWN: "false_alarm", Phase.ENDED: "verified"}


def check_sharing(config: CentreConfig, policies: PolicyTable) -> None:
    """Make a sample of each message that these settings can lead to. Raises ConfigError, about the policies."""
    sharing = policies.sharing
    if sharing is None:
        return
    problems = [
        Problem(
            config.centre.policies,
            f"sharing.hazards.{number}",
            f"no message can be made of {hazard.value} ({why})",
            "take it out of the list, and report this",
        )
        for number, hazard in enumerate(sharing.hazards)
        if (why := next(_failures(sharing, hazard), None)) is not None
    ]
    if problems:
        raise ConfigError(tuple(problems))


def _failures(sharing: Sharing, hazard: Hazard) -> Iterator[str]:
    for phase in Phase:
        for drill in (False, True):
            facts = Facts(hazard.value, 1, phase, drill, _AREA.code, 117.0, 36.0, _REASONS.get(phase))
            try:
                document_of(_sample(facts, sharing), sharing)
            except Exception as error:  # whatever it is, it would be raised in the worker
                yield type(error).__name__


def _sample(facts: Facts, sharing: Sharing) -> Message:
    return Message(
        identifier="sample-1",
        number="20260101-0001",
        message_type=MessageType.CANCEL if facts.phase is Phase.WITHDRAWN else MessageType.ALERT,
        facts=facts,
        sent_at=_AT,
        began_at=_AT,
        expires_at=_AT + timedelta(seconds=sharing.valid_s),
        areas=(_AREA,),
    )

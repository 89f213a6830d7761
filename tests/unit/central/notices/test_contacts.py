"""Which addresses a channel takes."""

from __future__ import annotations

import pytest

from xueliang_central.notices.contacts import problems_of
from xueliang_configs.notices import NoticesConfig

URL = "https://gateway.example/send"
CHANNELS = NoticesConfig.model_validate(
    {
        "channels": {
            "mail": {"kind": "email", "host": "mail.example", "sender": "a@b.example"},
            "wecom": {"kind": "wecom", "url": URL},
            "feishu": {"kind": "feishu", "url": URL},
            "sms": {"kind": "http", "url": URL},
        }
    }
).channels
GOOD = {"mail": "wang@city.example", "wecom": "13800001111", "feishu": "ou_1", "sms": "13800001111"}


@pytest.mark.parametrize("channel", GOOD)
def test_an_address_is_one_line(channel: str) -> None:
    assert problems_of({channel: GOOD[channel]}, CHANNELS) == []
    assert len(problems_of({channel: f"{GOOD[channel]}\n"}, CHANNELS)) == 1

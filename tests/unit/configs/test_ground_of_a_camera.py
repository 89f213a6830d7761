"""A camera's own ground: in its rules document, and a digest that releases of before it agree with."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.unit.configs.test_ground import camera, pairs
from xueliang_configs.cameras import CameraRules

PLAIN: dict[str, Any] = {"camera_id": "gate", "place_class": "other", "look_every_s": None, "rules": []}


def test_a_ground_that_is_taken_away_leaves_the_digest_of_before() -> None:
    before = CameraRules.model_validate(PLAIN)
    known = CameraRules.model_validate(PLAIN | {"ground": {"points": pairs(camera())}})
    taken_away = CameraRules.model_validate(PLAIN | {"ground": None})
    assert len({before.digest, known.digest}) == 2
    assert taken_away.digest == before.digest
    assert "ground" in taken_away.as_written  # a node that is told nothing of it would keep what it has


def test_a_ground_that_cannot_hold_is_refused_where_it_is_written() -> None:
    with pytest.raises(ValidationError, match="three on one line") as refused:
        CameraRules.model_validate(PLAIN | {"ground": {"points": pairs(camera(), [(n, n) for n in range(4)])}})
    assert refused.value.errors()[0]["loc"][0] == "ground"

"""What a unit's answer by short message or keypad means (pure): "1 4821" we clear it, "2" cannot, "3" done."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal

Answer = Literal["clears", "cannot", "done"]
_ANSWERS: Final[dict[str, Answer]] = {"1": "clears", "2": "cannot", "3": "done"}
_TEXT: Final = re.compile(r"([123])(?:[\s,.;:#*-]*([0-9]{4}))?")


@dataclass(frozen=True, slots=True)
class Said:
    """`code`: the four digits of the request; None: none were said."""

    answer: Answer
    code: str | None


def read(text: str) -> Said | None:
    """None: it is no answer. Full-width digits, as Chinese keyboards write them, are digits too."""
    found = _TEXT.fullmatch(unicodedata.normalize("NFKC", text).strip())
    return None if found is None else Said(_ANSWERS[found[1]], found[2])

"""Every setting of a rule has a Chinese name and help in the console; and none is left of a setting that has gone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from xueliang_configs.cameras import CameraRules

PAGES: Final = Path(__file__).resolve().parents[3] / "central/console/src/pages/rules"
WORDS: Final = PAGES / "setting_words.ts"


def test_every_setting_has_chinese_words_and_no_word_is_of_none() -> None:
    schema = CameraRules.model_json_schema()
    rules = schema["properties"]["rules"]["items"]["discriminator"]["mapping"].values()
    shapes = [schema, *(schema["$defs"][ref.rpartition("/")[2]] for ref in rules)]
    settings = {name for shape in shapes for name in shape["properties"]} - {"camera_id"}
    table = WORDS.read_text().partition("const CHINESE")[2].partition("\n};")[0]
    worded = set(re.findall(r'^  (\w+): \["[^"]+", "[^"]+"\],$', table, re.MULTILINE))
    assert settings - worded == set(), "settings without Chinese words in setting_words.ts"
    assert worded - settings == set(), "words of settings that are there no more"


def test_every_number_within_a_setting_has_words_of_its_own() -> None:
    """Those that the console asks for one by one: see `partsOf` in its parts.ts."""
    schema = CameraRules.model_json_schema()
    rules = schema["properties"]["rules"]["items"]["discriminator"]["mapping"].values()
    shapes = [schema["$defs"][ref.rpartition("/")[2]] for ref in rules]
    parts = {
        path
        for shape in shapes
        for name, written in shape["properties"].items()
        if (inner := _object_of(schema, written)) is not None
        for path in _numbers(schema, inner, name)
    }
    worded = set(
        re.findall(r'^  "([a-z_.]+)": \[(?:"[^"]+", ){4}"[^"]+"\],$', (PAGES / "parts/words.ts").read_text(), re.M)
    )
    assert parts == worded


def _object_of(schema: dict[str, Any], written: dict[str, Any]) -> dict[str, Any] | None:
    """The object that a setting is, maybe null; None: it is something else."""
    options = [one for one in written.get("anyOf", [written]) if one.get("type") != "null"]
    shape = options[0]
    if "$ref" in shape:
        shape = schema["$defs"][shape["$ref"].rpartition("/")[2]]
    return shape if "properties" in shape else None


def _numbers(schema: dict[str, Any], shape: dict[str, Any], path: str) -> Iterator[str]:
    """Paths of all numbers within; none where something within is no number, which has a form of another kind."""
    found: list[str] = []
    for name, written in shape["properties"].items():
        inner = _object_of(schema, written)
        if inner is not None and "anyOf" not in written:
            found += _numbers(schema, inner, f"{path}.{name}")
        elif written.get("type") in ("number", "integer"):
            found.append(f"{path}.{name}")
        else:
            return
    yield from found

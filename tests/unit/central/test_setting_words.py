"""Every setting of a rule has a Chinese name and help in the console; and none is left of a setting that has gone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from xueliang_configs.cameras import CameraRules

WORDS: Final = Path(__file__).resolve().parents[3] / "central/console/src/pages/rules/setting_words.ts"


def test_every_setting_has_chinese_words_and_no_word_is_of_none() -> None:
    schema = CameraRules.model_json_schema()
    rules = schema["properties"]["rules"]["items"]["discriminator"]["mapping"].values()
    shapes = [schema, *(schema["$defs"][ref.rpartition("/")[2]] for ref in rules)]
    settings = {name for shape in shapes for name in shape["properties"]} - {"camera_id"}
    table = WORDS.read_text().partition("const CHINESE")[2].partition("\n};")[0]
    worded = set(re.findall(r'^  (\w+): \["[^"]+", "[^"]+"\],$', table, re.MULTILINE))
    assert settings - worded == set(), "settings without Chinese words in setting_words.ts"
    assert worded - settings == set(), "words of settings that are there no more"

"""The example of every hazard's page is a rule, and the reasons it names are those the code gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from tests.support.fixtures import REPOSITORY
from xueliang_configs.loading import load_node
from xueliang_configs.rules import Rule

PAGES = sorted((REPOSITORY / "docs" / "hazards").glob("*.md"))
RULES_SOURCE = "\n".join(
    path.read_text(encoding="utf-8") for path in (REPOSITORY / "edge/xueliang_edge/rules").glob("*.py")
)


def examples(page: Path) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_example_of_a_page_can_be_loaded(page: Path, tmp_path: Path) -> None:
    (text,) = examples(page)
    rule = yaml.safe_load(text)
    assert rule["hazard"] == page.stem
    TypeAdapter(Rule).validate_python(rule)
    indented = text.replace("\n", "\n        ")
    file = tmp_path / "node.yaml"
    file.write_text(
        "node: {node_id: edge-01, data_dir: data}\n"
        "detectors: {objects: {model: embedded}, flames: {model: flames.onnx}}\n"
        "cameras:\n  - camera_id: a\n    name: a\n    url: rtsp://10.0.0.9/1\n    rules:\n      - " + indented + "\n",
        encoding="utf-8",
    )
    assert load_node(file, {}).cameras[0].rules[0].rule_id == rule["rule_id"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_reasons_a_page_names_are_in_the_code(page: Path) -> None:
    named = re.search(r"Reasons: (.*?)\.", page.read_text(encoding="utf-8"), re.DOTALL)
    if named is None:
        return
    for code in re.findall(r"`(\w+)`", named[1]):
        parts = re.escape(code).rpartition("_")
        assert re.search(rf'"{code}"|_{parts[2]}"', RULES_SOURCE), code

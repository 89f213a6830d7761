"""The generated pages are as the code says, the examples fit the schemas, and the command speaks and exits as
promised.
"""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from xueliang_configs import cli, reference

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "configs" / "examples"


def test_the_reference_is_as_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    status = reference.main(["--check", "--into", str(ROOT / "docs" / "reference")])
    assert status == 0, capsys.readouterr().err


def test_a_stale_reference_is_noticed_and_mended(tmp_path: Path) -> None:
    assert reference.main(["--into", str(tmp_path)]) == 0
    (tmp_path / "node.md").write_text("old", encoding="utf-8")
    assert reference.main(["--check", "--into", str(tmp_path)]) == 1
    assert (tmp_path / "node.md").read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize("name", ["node", "centre", "policies", "cameras"])
def test_examples_fit_the_published_schema(name: str) -> None:
    schema = json.loads((ROOT / "docs" / "reference" / f"{name}.schema.json").read_text(encoding="utf-8"))
    example = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(example)


@pytest.mark.parametrize("page", reference.PAGES, ids=lambda page: page.name)
def test_every_setting_is_described(page: reference.Page) -> None:
    text = reference.files()[f"{page.name}.md"]
    bare = [line for line in text.splitlines() if line.startswith("| `") and ";" not in line]
    known_by_name = ("`node`", "`centre`", "`zone`", "`hazard`", "`match`")
    assert [line for line in bare if not line.startswith(tuple(f"| {name}" for name in known_by_name))] == []


def test_check_prints_what_is_good_and_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(EXAMPLES / name) for name in ("policies.yaml", "cameras.yaml")]
    assert cli.main(["check", *files]) == 0
    assert capsys.readouterr().out.count(": good") == 2


def test_check_prints_every_problem_and_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("node: {node_id: A, dat_dir: x}\n", encoding="utf-8")
    assert cli.main(["check", str(bad), str(EXAMPLES / "policies.yaml")]) == 2
    told = capsys.readouterr()
    assert f"{bad}:1: node.node_id: expected" in told.err
    assert f"{bad}:1: node.dat_dir: unknown key\n  hint: did you mean data_dir?" in told.err
    assert "policies.yaml: good" in told.out


def test_check_says_when_it_cannot_tell_what_a_file_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = tmp_path / "odd.yaml"
    odd.write_text("something: 1\n", encoding="utf-8")
    assert cli.main(["check", str(odd)]) == 2
    assert "--kind" in capsys.readouterr().err

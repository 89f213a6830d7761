"""Writes the settings reference and the JSON Schemas from the models, so that they are never untrue.

`python -m xueliang_configs.reference` writes docs/reference/; with `--check` it only compares, and exits 1 on a
difference.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePath
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from xueliang_configs.areas import AreaTable
from xueliang_configs.cameras import CameraRegister
from xueliang_configs.centre import CentreConfig
from xueliang_configs.lanes import LaneTable
from xueliang_configs.node import NodeConfig
from xueliang_configs.policies import PolicyTable
from xueliang_configs.values import SecretUrl

NOTE: Final = "<!-- Written by `python -m xueliang_configs.reference`; a test holds it to the code. -->"
_HOW: Final = (
    "`${NAME}` in a text is the environment variable NAME. Relative paths start at the folder of the file. "
    "Check a file before using it: `xueliang-configs check FILE`."
)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the reference and its schema."""

    name: str
    title: str
    model: type[BaseModel]
    intro: str


PAGES: Final = (
    Page(
        "node", "node.yaml: one edge node", NodeConfig, "What one edge node runs: its links, models, cameras and rules."
    ),
    Page("centre", "centre.yaml: one centre", CentreConfig, "What one process of the centre runs."),
    Page(
        "policies",
        "policies.yaml: who must do what by when",
        PolicyTable,
        "Rows in order; the first that matches decides. A case that no row takes is refused when the file is read.",
    ),
    Page(
        "cameras", "cameras.yaml: the centre's camera register", CameraRegister, "For `xueliang-centre import-cameras`."
    ),
    Page(
        "lanes",
        "lanes.yaml: the register of fire lanes",
        LaneTable,
        "For `xueliang-centre import-lanes`. As GeoJSON: the properties of a feature are the keys, its geometry is "
        "`line` or `polygon`.",
    ),
)


def schema_of(model: type[BaseModel]) -> str:
    """JSON Schema of what may be written, as committed."""
    return json.dumps(model.model_json_schema(mode="validation"), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def files() -> dict[str, str]:
    """Every generated file: name in docs/reference/ to content."""
    made = {f"{page.name}.md": _page(page) for page in PAGES}
    made |= {f"{page.name}.schema.json": schema_of(page.model) for page in PAGES}
    made["areas.schema.json"] = schema_of(AreaTable)
    return made


def _page(page: Page) -> str:
    parts = [f"# {page.title}", NOTE, f"{page.intro} {_HOW}"]
    seen: list[type[BaseModel]] = []
    waiting = [page.model]
    while waiting:
        model = waiting.pop(0)
        if model in seen:
            continue
        seen.append(model)
        parts.append(_section(model))
        inner = [found for info in model.model_fields.values() for found in _models_in(info.annotation)]
        waiting = inner + waiting
    return "\n\n".join(parts) + "\n"


def _section(model: type[BaseModel]) -> str:
    doc = (model.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
    lines = [f"## {_heading(model)}", "", " ".join(doc.split()), "", "| key | what | default |", "|---|---|---|"]
    for name, info in model.model_fields.items():
        kind = "text" if _is_written_as_text(info) else _kind(info.annotation)
        limits = _limits(info)
        what = "; ".join(part for part in (f"{kind}{limits}", info.description) if part)
        lines.append(f"| `{name}` | {_cell(what)} | {_cell(_default(info))} |")
    return "\n".join(lines)


def _is_written_as_text(info: FieldInfo) -> bool:
    """A value that is kept as another kind: a time of day."""
    extra = info.json_schema_extra
    return isinstance(extra, dict) and extra.get("type") == "string"


def _heading(model: type[BaseModel]) -> str:
    return model.__name__


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]


def _kind(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(parts[0])
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_kind(part) for part in parts))
    if origin is Literal:
        return " or ".join(f"`{getattr(value, 'value', value)}`" for value in parts)
    if origin is tuple:
        return f"list: {_kind(parts[0])}" if parts[-1] is Ellipsis else "[" + ", ".join(map(_kind, parts)) + "]"
    if origin is dict:
        return f"mapping: {_kind(parts[0])} to {_kind(parts[1])}"
    return _plain_kind(annotation)


def _plain_kind(annotation: Any) -> str:
    if annotation is type(None):
        return "null"
    if not isinstance(annotation, type):
        return str(annotation)
    if issubclass(annotation, Enum):
        return "one of " + ", ".join(f"`{member.value}`" for member in annotation)
    if issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    for kind, words in (
        (bool, "true or false"),
        (int, "whole number"),
        (float, "number"),
        (SecretUrl, "address"),
        (SecretStr, "text, never shown"),
        (PurePath, "path"),
        (str, "text"),
    ):
        if issubclass(annotation, kind):
            return words
    return annotation.__name__


def _limits(info: FieldInfo) -> str:
    words = {"gt": "above {}", "ge": "at least {}", "lt": "below {}", "le": "at most {}"}
    found = []
    for item in info.metadata:
        for name, text in words.items():
            limit = getattr(item, name, None)
            if limit is not None:
                found.append(text.format(f"{limit:g}"))
    return f" ({', '.join(found)})" if found else ""


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel | dict):
        return "as below" if value else "empty"
    if value is None:
        return "null"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        shown = ", ".join(str(getattr(item, "value", item)) for item in value)
        return f"`[{shown}]`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def main(arguments: list[str] | None = None) -> int:
    """The command's door; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m xueliang_configs.reference", description="Write docs/reference/.")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    parser.add_argument("--into", type=Path, default=Path("docs/reference"), help="the folder, default docs/reference")
    chosen = parser.parse_args(arguments)
    stale = []
    for name, content in files().items():
        path = chosen.into / name
        if path.exists() and path.read_text(encoding="utf-8") == content:
            continue
        stale.append(name)
        if not chosen.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    if chosen.check and stale:
        sys.stderr.write(f"not as the code says: {', '.join(stale)}\nhint: python -m xueliang_configs.reference\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

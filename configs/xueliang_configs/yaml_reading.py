"""YAML to plain values, strictly: no duplicate keys, aliases or tags; limits on size and depth; lines kept.

Invariants
    - Only text, numbers, booleans, null, lists and mappings with text keys come out.
    - `${NAME}` in a text is the environment's value; what a problem may show of such a text is always what was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from xueliang_configs.errors import ConfigError, Problem

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 40
Key = tuple[str | int, ...]
_PLAIN_TAGS: Final = {
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq")
}
_VARIABLE: Final = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Document:
    """One file as read.

    Attributes:
        value: plain values.
        lines: key path to line, from 1.
        written: key path to the text as written, for texts with `${…}` in them: what may be shown.
    """

    path: Path
    value: Any
    lines: Mapping[Key, int]
    written: Mapping[Key, str]


@dataclass(slots=True)
class _Reading:
    path: Path
    environment: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)
    lines: dict[Key, int] = field(default_factory=dict)
    written: dict[Key, str] = field(default_factory=dict)

    def complain(self, key: Key, line: int | None, text: str, hint: str = "") -> None:
        self.problems.append(Problem(self.path, key_text(key), text, hint, line))


def key_text(key: Key) -> str:
    """A key path as it is printed: cameras.2.url."""
    return ".".join(str(part) for part in key)


def line_of(document: Document, key: Key) -> int | None:
    """The line of a key, or of the nearest one above it."""
    for length in range(len(key), -1, -1):
        if key[:length] in document.lines:
            return document.lines[key[:length]]
    return None


class _NoAliasLoader(yaml.SafeLoader):
    """SafeLoader that stops at the first alias or anchor and at a depth that no settings file has."""

    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.YAMLError(_At(event.start_mark.line + 1, "anchors (&) and aliases (*) are not used in settings"))
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.YAMLError(_At(event.start_mark.line + 1, f"nested deeper than {MAX_DEPTH} levels"))
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


@dataclass(frozen=True, slots=True)
class _At:
    line: int
    text: str


def read_text(path: Path, limit_bytes: int = MAX_BYTES) -> str:
    """The file's text. Raises ConfigError when it is missing, too large or not UTF-8."""
    try:
        size = path.stat().st_size
        if size > limit_bytes:
            hint = "settings files are small; is it the right file?"
            raise ConfigError((Problem(path, "", f"expected at most {limit_bytes} bytes, got {size}", hint),))
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(
            (Problem(path, "", f"cannot be read: {reason}", "check the path and its permissions"),)
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError((Problem(path, "", "expected UTF-8 text", "save it as UTF-8"),)) from error


def read_yaml(path: Path, environment: Mapping[str, str]) -> tuple[Document, tuple[Problem, ...]]:
    """Read one file; what is wrong with single keys comes back beside the rest.

    Raises:
        ConfigError: nothing of it can be used: unreadable, not YAML, aliases, not a mapping.
    """
    return yaml_document(path, read_text(path), environment)


def yaml_document(path: Path, text: str, environment: Mapping[str, str]) -> tuple[Document, tuple[Problem, ...]]:
    """The same of a text that is already here; `path` is what its problems call it. Raises ConfigError."""
    reading = _Reading(path, environment)
    root = _compose(path, text)
    if not isinstance(root, MappingNode):
        raise ConfigError((Problem(path, "", "expected a mapping (key: value lines) at the top", "node:", 1),))
    value = _plain(reading, root, ())
    return Document(path, value, reading.lines, reading.written), tuple(reading.problems)


def _compose(path: Path, text: str) -> Node | None:
    try:
        loader = _NoAliasLoader(text)
    except ReaderError as error:
        at_line = text.count("\n", 0, error.position) + 1
        told = f"character U+{ord(text[error.position]):04X} cannot be in YAML"
        raise ConfigError(
            (Problem(path, "", told, "delete it, or write it as an escape in quotes", at_line),)
        ) from error
    try:
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        text = f"not YAML: {error.problem or error.context}"
        hint = "indent with spaces; put texts with : or # in quotes"
        raise ConfigError((Problem(path, "", text, hint, line),)) from error
    except yaml.YAMLError as error:
        at = error.args[0] if error.args and isinstance(error.args[0], _At) else _At(0, f"not YAML: {error}")
        hint = "write the values out where they are needed"
        raise ConfigError((Problem(path, "", at.text, hint, at.line or None),)) from error
    except RecursionError as error:
        raise ConfigError((Problem(path, "", f"nested deeper than {MAX_DEPTH} levels"),)) from error
    finally:
        loader.dispose()


def _plain(reading: _Reading, node: Node, key: Key) -> Any:
    reading.lines[key] = node.start_mark.line + 1
    if node.tag not in _PLAIN_TAGS:
        text = f"tags are not used in settings, got {node.tag}"
        reading.complain(key, node.start_mark.line + 1, text, "write a plain value")
        return None
    if isinstance(node, MappingNode):
        return _mapping(reading, node, key)
    if isinstance(node, SequenceNode):
        return [_plain(reading, item, (*key, index)) for index, item in enumerate(node.value)]
    assert isinstance(node, ScalarNode)
    return _scalar(reading, node, key)


def _mapping(reading: _Reading, node: MappingNode, key: Key) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
            reading.complain(key, line, "expected plain keys", "write key: value")
            continue
        name = key_node.value  # as written: `on:` and `1:` are texts here
        if name in result:
            first = reading.lines[(*key, name)]
            reading.complain((*key, name), line, f"key is written twice, first in line {first}", "keep one of them")
            continue
        result[name] = _plain(reading, value_node, (*key, name))
        reading.lines[(*key, name)] = line
    return result


def _scalar(reading: _Reading, node: ScalarNode, key: Key) -> Any:
    line = node.start_mark.line + 1
    if node.tag in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp"):
        return _expanded(reading, node.value, key, line)
    try:
        return yaml.constructor.SafeConstructor().construct_object(node)
    except (ConstructorError, ValueError, OverflowError):
        reading.complain(key, line, f'expected a value, got "{node.value[:40]}"', "put texts in quotes")
        return None


def _expanded(reading: _Reading, text: str, key: Key, line: int) -> str:
    """The text with `${NAME}` replaced; escaped inside user:password@ of a URL, so that any password works as it is."""
    if "${" not in text:
        return text
    reading.written[key] = text
    userinfo_end = text.rfind("@") if "://" in text else -1

    def value_of(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return "${"
        if not _VARIABLE_NAME.fullmatch(name):
            reading.complain(key, line, f'expected ${{NAME}}, got "{match.group(0)}"', "write $${ for a plain ${")
            return ""
        if name not in reading.environment:
            hint = f"export {name}=… before starting, or name it in the service's environment file"
            reading.complain(key, line, f"environment variable {name} is not set", hint)
            return "unset"
        value = reading.environment[name]
        return quote(value, safe="") if match.start() < userinfo_end else value

    return _VARIABLE.sub(value_of, text)

"""A back-test as a request to a node: a command in, its answer in pages out. Pure but for what `run` does.

    command   {"command": "backtest", "request_id": "…", "camera_id": "…", "rule": {…}, "from_at": "…", "to_at": "…"}
    result    {"request_id": "…", "command": "backtest", "page": 1, "pages": 3, "rows": […]}, or with "error" in words

`from_at` and `to_at` may be left out; moments must have an offset. Rows are those of `report.json_lines`. A page is at
most `PAGE_BYTES`: brokers and thin links take small messages, and fresh alerts must be able to pass between two.
The node's main path must not run this: `run` takes seconds of a core.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from xueliang_alerts.topics import Leaf, node_topic
from xueliang_configs.errors import ConfigError
from xueliang_configs.loading import rule_from
from xueliang_configs.rules import Rule
from xueliang_edge.backtest.report import Report, json_lines
from xueliang_edge.errors import BadRequest, EdgeError

PAGE_BYTES: Final = 64 * 1024
PAGES_AT_MOST: Final = 100  # 6 MB: more than a person reads; what is left out is said
REQUEST_BYTES: Final = 256 * 1024
COMMAND: Final = "backtest"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, by whom it can be told apart."""

    request_id: str
    camera_id: str
    rule: Rule
    from_at: datetime | None
    to_at: datetime | None


def is_concerned(payload: bytes) -> bool:
    """Whether a message on the node's commands topic is a back-test; others are somebody else's."""
    value = _object(payload)
    return value is not None and value.get("command") == COMMAND


def answer(payload: bytes, run: Callable[[Request], Report]) -> tuple[bytes, ...]:
    """The pages to publish on the node's results topic. Whatever is wrong with the request is an answer too."""
    request_id = _request_id(_object(payload) or {})
    try:
        return answer_pages(request_id, json_lines(run(request_of(payload))))
    except EdgeError as error:
        return (_page(request_id, 1, 1, [], error=str(error)),)


def result_topic(node_id: str) -> str:
    """Where the pages go."""
    return node_topic(node_id, Leaf.RESULTS)


def command_topic(node_id: str) -> str:
    """Where the commands come from."""
    return node_topic(node_id, Leaf.COMMANDS)


def request_of(payload: bytes) -> Request:
    """Raises BadRequest."""
    value = _object(payload)
    if value is None:
        raise BadRequest(f"expected a JSON object of at most {REQUEST_BYTES >> 10} KiB")
    camera_id = value.get("camera_id")
    if not isinstance(camera_id, str) or not camera_id:
        raise BadRequest("camera_id: required key is missing")
    try:
        rule = rule_from(value.get("rule"))
    except ConfigError as error:
        raise BadRequest(str(error)) from error
    from_at, to_at = (_moment(value, name) for name in ("from_at", "to_at"))
    if from_at is not None and to_at is not None and from_at >= to_at:
        raise BadRequest(f"from_at: expected a moment before to_at, got {from_at.isoformat()} and {to_at.isoformat()}")
    return Request(_request_id(value), camera_id, rule, from_at, to_at)


def answer_pages(
    request_id: str,
    rows: Iterable[Mapping[str, Any]],
    page_bytes: int = PAGE_BYTES,
    pages_at_most: int = PAGES_AT_MOST,
) -> tuple[bytes, ...]:
    """Rows in their order, as many in a page as fit. What does not fit at all is counted in the last page's
    `left_out`; so are rows too large for a page of their own.
    """
    room = page_bytes - len(_page(request_id, pages_at_most, pages_at_most, [], left_out=10**9))
    pages: list[list[str]] = [[]]
    used = left_out = 0
    for row in rows:
        text = json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=_plain)
        size = len(text.encode()) + 1
        if used + size > room and size <= room and len(pages) < pages_at_most:
            pages.append([])
            used = 0
        if used + size > room:
            left_out += 1
            continue
        pages[-1].append(text)
        used += size
    return tuple(
        _page(request_id, number, len(pages), texts, left_out=left_out if number == len(pages) else 0)
        for number, texts in enumerate(pages, 1)
    )


def _page(
    request_id: str, page: int, pages: int, rows: Sequence[str], *, left_out: int = 0, error: str | None = None
) -> bytes:
    head: dict[str, Any] = {"request_id": request_id, "command": COMMAND, "page": page, "pages": pages}
    if left_out:
        head["left_out"] = left_out
    if error is not None:
        head["error"] = error[:4000]
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":"))
    return f'{text[:-1]},"rows":[{",".join(rows)}]}}'.encode()


def _object(payload: bytes) -> dict[str, Any] | None:
    if len(payload) > REQUEST_BYTES:
        return None
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _request_id(value: Mapping[str, Any]) -> str:
    return str(value.get("request_id") or "")[:80]


def _moment(value: Mapping[str, Any], name: str) -> datetime | None:
    written = value.get(name)
    if written is None:
        return None
    try:
        at = datetime.fromisoformat(str(written))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise BadRequest(f'{name}: expected a moment like 2026-11-23T08:00:00+08:00, got "{str(written)[:60]}"')
    return at


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)

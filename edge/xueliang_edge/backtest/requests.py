"""A back-test as a request to a node: a command in, its answer in pages out. Pure but for what `run` does.

    command   {"command": "backtest", "request_id": "…", "expires_at": "…", "camera_id": "…", "rule": {…}}
    result    {"request_id": "…", "command": "backtest", "page": 1, "pages": 3, "rows": […]}, or with "error" in words

The contract (`xueliang_alerts.commands`) says which fields there are. Rows are those of `report.json_lines`, or where
suggestions are asked for those of `suggesting.telling.json_lines`. A page is at most `PAGE_BYTES`: brokers and thin
links take small messages, and fresh alerts must be able to pass between two.
The node's main path must not run this: `run` takes seconds of a core (`serving.py` has a child for it).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from xueliang_alerts.commands import PAGES_AT_MOST, REQUEST_ID_PATTERN, BacktestCommand
from xueliang_alerts.contract import MAX_MESSAGE_BYTES
from xueliang_configs.errors import ConfigError
from xueliang_configs.loading import rule_from
from xueliang_configs.rules import Rule
from xueliang_edge.backtest.judgements import Judgement, Verdict
from xueliang_edge.errors import BadRequest, EdgeError

PAGE_BYTES: Final = MAX_MESSAGE_BYTES
COMMAND: Final = "backtest"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, by whom it can be told apart. judgements: to search with; None: no suggestions are asked for."""

    request_id: str
    camera_id: str
    rule: Rule
    from_at: datetime | None
    to_at: datetime | None
    judgements: tuple[Judgement, ...] | None = None


def answer(command: BacktestCommand, run: Callable[[Request], Iterable[Mapping[str, Any]]]) -> tuple[bytes, ...]:
    """The pages to publish on the node's results topic. Whatever is wrong with the request is an answer too."""
    try:
        return answer_pages(command.request_id, run(request_of(command)))
    except EdgeError as error:
        return (error_page(command.request_id, str(error)),)


def error_page(request_id: str, why: str) -> bytes:
    """An answer that says why there is none."""
    return _page(request_id, 1, 1, [], error=why)


def request_id_in(payload: bytes) -> str:
    """Of a command that was not understood, so that whoever asked hears of it; "": it names none that can be used."""
    try:
        value = json.loads(payload) if len(payload) <= MAX_MESSAGE_BYTES else None
    except (ValueError, RecursionError):
        value = None
    named = value.get("request_id") if isinstance(value, dict) else None
    return named if isinstance(named, str) and re.fullmatch(REQUEST_ID_PATTERN, named) else ""


def request_of(command: BacktestCommand) -> Request:
    """Raises BadRequest."""
    try:
        rule = rule_from(command.rule)
    except ConfigError as error:
        raise BadRequest(str(error)) from error
    judged = command.suggest_from
    judgements = (
        None if judged is None else tuple(Judgement(Verdict(one.verdict), one.at, one.alert_id) for one in judged)
    )
    return Request(command.request_id, command.camera_id, rule, command.from_at, command.to_at, judgements)


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


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)

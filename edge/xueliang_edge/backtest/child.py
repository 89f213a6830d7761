"""The program that runs one back-test for a node: takes its task over the line, says its pages, ends.

A process of its own, as nice as can be: however long it takes, the node's looks come first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from xueliang_edge.backtest.messages import Answered, Task
from xueliang_edge.backtest.report import Asked, backtest, json_lines
from xueliang_edge.backtest.requests import Request, answer
from xueliang_edge.backtest.suggesting import telling
from xueliang_edge.backtest.suggesting.searching import suggest
from xueliang_edge.children import FIRST_MESSAGE_S, take_up
from xueliang_edge.errors import ChildGone, NothingToTry
from xueliang_edge.observation_log.files import log_files
from xueliang_edge.observation_log.reading import read_parts
from xueliang_edge.rules.registry import RULES

NOT_UNDERSTOOD: Final = 2
NICE: Final = 19  # the most: it takes what nobody else wants


def main() -> int:
    """The exit status: 0 when all was said, or nobody listens any more."""
    line = take_up()
    os.nice(NICE)
    try:
        task = line.receive(FIRST_MESSAGE_S)
        if not isinstance(task, Task):
            return NOT_UNDERSTOOD
        pages = answer(task.command, partial(run, task))
        line.send(Answered(len(pages)), None)
        for page in pages:
            line.send(page, None)
    except ChildGone:
        return 0
    return 0


def run(task: Task, request: Request) -> Iterable[Mapping[str, Any]]:
    """The rows of the answer. Raises NothingToTry."""
    if task.camera is None:
        there = ", ".join(task.there[:20]) or "none"
        raise NothingToTry(f'camera_id: no camera "{request.camera_id}" on this node\n  hint: there: {there}')
    if task.folder is None:
        raise NothingToTry("observation_log is null on this node: nothing is kept")
    if not log_files(task.folder):
        raise NothingToTry("no observation log on this node yet")
    model = None
    if RULES[request.rule.hazard].needs_detector:
        model = task.models.get(request.rule.detector)
        if model is None:
            there = ", ".join(task.models) or "none"
            raise NothingToTry(f'detector: no "{request.rule.detector}" on this node\n  hint: there: {there}')
    asked, stretch = Asked(task.camera, request.rule, model, request.judgements), (request.from_at, request.to_at)
    read = partial(read_parts, task.folder, request.camera_id, *stretch)
    if request.judgements is None:
        return json_lines(backtest(asked, read(), *stretch))
    return telling.json_lines(suggest(asked, read, *stretch))


if __name__ == "__main__":
    sys.exit(main())

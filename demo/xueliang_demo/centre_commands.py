"""Commands of the centre's program, several in one child process: each exactly as on its command line.

A start of Python with all that the centre imports takes a second or two, and a set-up of nine commands would be little
else.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xueliang_demo.processes import ProcessEnded, run_once

Run = Callable[[str, Sequence[str], Mapping[str, str], str], str]  # module, arguments, environment, standard input

_THERE_ALREADY: Final = re.compile(r"there is a (user|node) \S+ already")


@dataclass(frozen=True, slots=True)
class Command:
    """What stands after `xueliang-centre --config FILE`, and what comes on its standard input."""

    arguments: tuple[str, ...]
    stdin: str = ""


def run_commands(
    commands: Sequence[Command], config: Path, env: Mapping[str, str], *, run: Run = run_once
) -> list[str | None]:
    """Run them in order; what each printed, None where what it adds was there already.

    Args:
        run: runs the child to its end.

    Raises:
        ProcessEnded: one failed otherwise; those behind it were not run.
    """
    asked = [{"arguments": ["--config", str(config), *one.arguments], "stdin": one.stdin} for one in commands]
    answers = json.loads(run("xueliang_demo.centre_commands", (), env, json.dumps(asked)))
    for command, answer in zip(commands, answers, strict=False):
        if answer["status"] != 0 and not answer["is_there"]:
            name = command.arguments[0]
            raise ProcessEnded(f"xueliang-centre {name} ended with status {answer['status']}:\n{answer['stderr']}")
    return [None if answer["is_there"] else answer["stdout"] for answer in answers]


def main() -> None:
    """The child: commands as JSON on standard input, their outcomes as JSON on standard output."""
    answers = []
    for asked in json.load(sys.stdin):
        answers.append(_run(asked["arguments"], asked["stdin"]))
        if answers[-1]["status"] != 0 and not answers[-1]["is_there"]:
            break
    print(json.dumps(answers))


def _run(arguments: list[str], stdin: str) -> dict[str, str | int | bool]:
    from xueliang_central.cli import main as centre  # by the child only

    told, complaints = io.StringIO(), io.StringIO()
    sys.stdin = io.StringIO(stdin)
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(complaints):
        try:
            status = centre(arguments)
        except SystemExit as ended:  # wrong usage
            status = int(ended.code or 0)
    stderr = complaints.getvalue()
    is_there = status != 0 and _THERE_ALREADY.search(stderr) is not None
    return {"status": status, "stdout": told.getvalue(), "stderr": stderr[-1500:], "is_there": is_there}


if __name__ == "__main__":
    main()

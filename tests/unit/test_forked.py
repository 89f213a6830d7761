"""A fork of tests/support/forked is the program as its command line starts it: words, status, environment, session."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.forked.children import forked
from tests.support.forked.programs import ForkedProgram, run_forked_once
from xueliang_demo.processes import ProcessEnded, run_once

CENTRE = "xueliang_central.cli"


@pytest.mark.parametrize("arguments", [("--help",), ("--config", "none.yaml", "verify-audit"), ("--no-such",)])
def test_it_says_and_ends_as_by_itself(arguments: tuple[str, ...], tmp_path: Path) -> None:
    program = ForkedProgram("centre", CENTRE, arguments, tmp_path, {"COLUMNS": "100"})
    program.start()
    assert program._process is not None
    status = program._process.wait(60)
    program.stop()
    command = [sys.executable, "-m", CENTRE, *arguments]
    alone = subprocess.run(
        command, stdout=-1, stderr=-2, text=True, timeout=60, env={**os.environ, "COLUMNS": "100"}, check=False
    )
    said = (tmp_path / "centre.log").read_text(encoding="utf-8")
    assert (status, said) == (alone.returncode, alone.stdout)


def test_commands_are_run_and_refused_as_by_themselves() -> None:
    asked = '[{"arguments": ["--config", "none.yaml", "migrate"], "stdin": ""}]'
    both = [run("xueliang_demo.centre_commands", (), {}, asked) for run in (run_once, run_forked_once)]
    assert both[0] == both[1]
    with pytest.raises(ProcessEnded, match=r"(?s)centre_commands  ended with status 1:.*JSONDecodeError"):
        run_forked_once("xueliang_demo.centre_commands", (), {}, "no JSON")


async def test_it_has_a_session_and_an_environment_of_its_own_and_is_killed_on_the_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAID", "now")
    with forked("tests.support.telling_child", "two", "words") as child:
        await child.until_it_says("now two words")
        assert os.getsid(child.pid) == child.pid
        assert child.returncode is None
    assert child.returncode == -signal.SIGKILL
    assert capsys.readouterr().err == "its complaint\n\n"


async def test_one_that_ends_early_says_so() -> None:
    with forked("tests.support.telling_child") as child:
        with pytest.raises(AssertionError, match="ended with status 3"):
            await child.until_it_says("something")
        assert await child.wait() == 3

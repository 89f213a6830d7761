"""One formatter for all processes of a node: fields told, no passwords, and no room loaded before the first line."""

from __future__ import annotations

import logging
import subprocess
import sys

from xueliang_edge.logs import EventFormatter


def test_an_event_is_one_line_with_its_fields_and_no_password() -> None:
    record = logging.makeLogRecord(
        {"name": "gate", "levelname": "WARNING", "msg": "camera away", "url": "rtsp://admin:canary@gate/1", "age_s": 3}
    )
    record.exc_info = None
    said = EventFormatter("%(levelname)s %(name)s: %(message)s").format(record)
    assert said.startswith("WARNING gate: camera away ")
    assert "age_s=3" in said
    assert "canary" not in said


def test_measure_starts_where_the_decoder_does_not_load() -> None:
    """It is the command that says which compiled package does not load."""
    program = "import sys; sys.modules['av'] = None\nfrom xueliang_edge.cli import main\nmain(['measure', '--help'])\n"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert "measure" in ran.stdout

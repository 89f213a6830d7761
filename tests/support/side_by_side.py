"""Which process of `pytest -n N` takes which file next. Asked for by tests/conftest.py; needs pytest-xdist."""

from __future__ import annotations

from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

WHOLE_SYSTEMS: Final = ("tests/browser/", "tests/e2e/")
# Each is a centre with all its programs and mostly a chromium: more of them than cores and they wait for each other.
MOST_SYSTEMS: Final = 2


class ByFile(LoadScopeScheduling):
    """The tests of a file stay together; at most `MOST_SYSTEMS` processes have a whole system.

    In the order in which they were found: whole systems take longest and begin first, units are short and fill what is
    left at the end, in every process. By itself xdist begins with the files of most tests, whatever they cost.
    """

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.split("::", 1)[0]

    def _assign_work_unit(self, node: Any) -> None:
        """The first file in the queue that `node` may take. None of them: it goes; others have the whole systems."""
        if not self._has_room(node):
            light = next((file for file in self.workqueue if not _is_whole(file)), None)
            if light is None:
                node.shutdown()
                return
            self.workqueue.move_to_end(light, last=False)
        super()._assign_work_unit(node)

    def _has_room(self, node: Any) -> bool:
        """Whether `node` may take a whole system."""
        busy = [one for one, files in self.assigned_work.items() if one is not node and _under_way(files)]
        return len(busy) < MOST_SYSTEMS


def _is_whole(file: str) -> bool:
    return file.startswith(WHOLE_SYSTEMS)


def _under_way(files: dict[str, dict[str, bool]]) -> bool:
    """`files`: of one process, its tests and whether each is done."""
    return any(_is_whole(file) and not all(tests.values()) for file, tests in files.items())


def scheduler(config: pytest.Config, log: Any) -> ByFile:
    config.option.loadscopereorder = False
    return ByFile(config, log)

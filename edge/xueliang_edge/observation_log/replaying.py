"""The same rules over the log: exactly what was said live. Belongs to no thread, touches nothing."""

from __future__ import annotations

from collections.abc import Iterator

from xueliang_configs.cameras import CameraConfig
from xueliang_edge.observation_log.reading import Gap, History
from xueliang_edge.rules.judge import CameraJudge, Judged


def replayed(history: History, camera: CameraConfig) -> Iterator[Judged | Gap]:
    """What the rules of `camera` say to these looks, with every stretch of which they can say nothing.

    The rules remember what they remembered live wherever the log kept that: at the begin of each half hour, and after
    looks were lost. Where it did not, and after a gap, they begin without a memory.
    """
    judge: CameraJudge | None = None
    for part in history.parts:
        if isinstance(part, Gap):
            judge = None
            yield part
            continue
        if part.snapshot is not None:
            judge, said = CameraJudge.resume(camera, part.snapshot)
            yield from said
        elif judge is None:
            judge = CameraJudge(camera)
        for observation in part.observations():
            yield from judge.look(observation)

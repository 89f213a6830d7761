"""The detector's program: opens its models, says that it is ready, answers one question at a time until its line ends.

Started by `detector_worker.py`. It handles pixels and model files, so it is the one to run out of memory or to hang in
somebody else's code: it holds nothing that would be missed.
"""

from __future__ import annotations

import logging
import os
import time
from typing import Final

import cv2

from xueliang_alerts.clocks import system_mono
from xueliang_edge.allocator import give_back
from xueliang_edge.children import FIRST_MESSAGE_S, Line, take_up
from xueliang_edge.detector_messages import Answered, Beat, Compose, Detect, DetectorSettings, NotReady, Ready
from xueliang_edge.detector_work import DetectorWork, known_of, open_models, warm_up
from xueliang_edge.errors import ChildGone
from xueliang_models.errors import ModelError
from xueliang_streams.shared_frames import SharedFrames

log = logging.getLogger(__name__)

OUT_OF_MEMORY: Final = 3
NOT_READY: Final = 2


def main() -> int:
    """The exit status: 0 when the line ended, else why it ended by itself."""
    line = take_up()
    cv2.setNumThreads(1)  # one thread a worker: the node has as many workers as it may use cores
    try:
        settings = line.receive(FIRST_MESSAGE_S)
        if not isinstance(settings, DetectorSettings):
            return NOT_READY
        work = _open(line, settings)
        return NOT_READY if work is None else _answer(line, work, settings.beat_every_s)
    except ChildGone:
        return 0
    except MemoryError:
        log.error("detector ran out of memory")  # and nothing more: a traceback needs some
        return OUT_OF_MEMORY


def _open(line: Line, settings: DetectorSettings) -> DetectorWork | None:
    regions = {one.region: SharedFrames.attach(one.fd, one.slots, one.slot_bytes) for one in settings.regions}
    try:
        opened = open_models(settings.models)
        warm_ms = warm_up(opened, time.thread_time)
    except ModelError as error:
        line.send(NotReady(type(error).__name__, str(error)), None)
        return None
    work = DetectorWork(opened, regions, mono=system_mono, cpu=time.thread_time)
    line.send(Ready(known_of(opened, warm_ms)), None)
    return work


def _answer(line: Line, work: DetectorWork, beat_every_s: float) -> int:
    answered = 0
    while True:
        question = line.receive(beat_every_s)
        if isinstance(question, Detect):
            seen = work.detect(question.handle, question.detector, question.deadline_mono_s, question.roi_xyxyn)
            line.send(Answered(question.number, seen), None)
        elif isinstance(question, Compose):
            still = work.compose(question.request, question.scene, question.deadline_mono_s)
            line.send(Answered(question.number, still), None)
            give_back()  # a still needs some 30 MB for a moment
        else:
            line.send(Beat(answered), None)
            continue
        answered += 1


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    os._exit(status)  # nothing to tidy: the model runtime would take its time to, and the node waits for this end

"""The loop people write with Ultralytics: model.track(stream=True), one process a camera.

Stands alone: it runs in an environment that has ultralytics, which ours has not, and imports nothing of ours.

    python ultralytics_loop.py PLAN.json
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

COUNTS_EVERY_S = 0.5


def watch(url: str, model: str, looks: Any) -> None:
    """Every picture the loader hands out is tracked; the loader drops those that come meanwhile."""
    import torch
    from ultralytics import YOLO

    torch.set_num_threads(1)
    for _ in YOLO(model, task="detect").track(source=url, stream=True, imgsz=320, verbose=False):
        looks.value += 1


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    os.environ["OMP_NUM_THREADS"] = "1"
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    looks = {camera["camera_id"]: multiprocessing.Value("q", 0) for camera in plan["cameras"]}
    workers = [
        multiprocessing.Process(
            target=watch, args=(camera["url"], plan["model"], looks[camera["camera_id"]]), daemon=True
        )
        for camera in plan["cameras"]
    ]
    for worker in workers:
        worker.start()
    path = Path(plan["counts"])
    while not ended.wait(COUNTS_EVERY_S) and all(worker.is_alive() for worker in workers):
        seen = {camera_id: value.value for camera_id, value in looks.items()}
        counts = {"looks": seen, "detections": sum(seen.values()), "counted_mono_s": time.monotonic()}
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps(counts))
        unfinished.replace(path)
    for worker in workers:
        worker.kill()


if __name__ == "__main__":
    main()

"""What the rules of each camera remember, on disk: a kill and a quick restart go on where they were.

Written when something was said, every `BUSY_EVERY_S` while an episode is open or about to be, and at a clean stop;
not per look (FAULTS: the node writes at most 200 MB a day). A snapshot that cannot be read is no fault: what stands
there is then seen anew, and `open_alerts.py` knows what was already said.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Final

from xueliang_edge.background import write_atomically

log = logging.getLogger(__name__)

BUSY_EVERY_S: Final = 30.0
_SUFFIX: Final = ".judge.json"


class SnapshotFiles:
    """One file a camera, replaced atomically."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.write_failures = 0

    def load(self, camera_id: str) -> dict[str, Any]:
        """Empty when there is none or it cannot be read."""
        try:
            value = json.loads(self._path(camera_id).read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            log.warning("snapshot not readable", extra={"camera_id": camera_id, "why": str(error)})
            return {}
        return value if isinstance(value, dict) else {}

    def save(self, camera_id: str, snapshot: dict[str, Any]) -> bool:
        """False: the disk refused, which is counted; an empty snapshot needs no file."""
        if not snapshot:
            return True
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(self._path(camera_id), json.dumps(snapshot).encode())
        except OSError as error:
            self.write_failures += 1
            if self.write_failures == 1:
                log.warning("snapshot not written", extra={"camera_id": camera_id, "why": str(error)})
            return False
        return True

    def forget_others(self, camera_ids: frozenset[str]) -> None:
        """Remove what cameras that are configured no more have left."""
        if not self._folder.is_dir():
            return
        for path in self._folder.glob(f"*{_SUFFIX}"):
            if path.name.removesuffix(_SUFFIX) not in camera_ids:
                path.unlink(missing_ok=True)

    def _path(self, camera_id: str) -> Path:
        return self._folder / f"{camera_id}{_SUFFIX}"

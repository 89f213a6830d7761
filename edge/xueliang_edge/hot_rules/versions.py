"""Every rule set that a camera ran, in order: `data_dir/rules/<camera_id>.jsonl`, a version a line.

Invariants
    - A version is on the disk (fsynced) before the main path takes it: after a kill the next start knows of it.
    - The file is replaced whole: a crash leaves the old one or the new one.
    - Numbers count up and are never given twice, also when older versions are gone (`KEPT`).
    - A line that this release cannot read is left out, counted and said; it keeps nobody from going on.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from xueliang_configs.cameras import CameraConfig, CameraRules
from xueliang_edge.background import write_atomically
from xueliang_edge.hot_rules.comparing import digest_of, hot_part, with_hot_part

log = logging.getLogger(__name__)

KEPT: Final = 50  # a set of a few rules has 2 kB; a year of weekly changes
FOLDER: Final = "rules"
SAYS_THE_SAME: Final = "the file has come to say the same"
_SUFFIX: Final = ".jsonl"


class Source(StrEnum):
    """Where a version came from."""

    FILE = "file"
    COMMAND = "command"
    CENTRE = "centre"


@dataclass(frozen=True, slots=True)
class RulesVersion:
    """One rule set of one camera.

    Attributes:
        version: counts up on its camera; nothing to do with the `version` an operator writes on a rule.
        digest: of its settings; file_digest: of what the settings file said when it was taken.
        at: when. by: who gave the command, here or at the centre.
        order_id: of the command, or which version of the centre's it is (`from_centre`); empty: none.
        settings: a `CameraRules` as written.
    """

    camera_id: str
    version: int
    digest: str
    file_digest: str
    at: datetime
    source: Source
    settings: Mapping[str, Any]
    note: str = ""
    by: str = ""
    order_id: str = ""

    def over(self, camera: CameraConfig) -> CameraConfig:
        """The camera with these rules. Raises ValidationError: this release does not know them."""
        return with_hot_part(camera, CameraRules.model_validate(self.settings))

    @property
    def words(self) -> str:
        """For people: which, from where, since when."""
        said = f"version {self.version}, by {self.source.value}, {self.at:%Y-%m-%d %H:%M:%S} UTC"
        return f"{said}: {self.note}" if self.note else said


def version_of(
    camera: CameraConfig,
    version: int,
    file_digest: str,
    at: datetime,
    source: Source,
    *,
    note: str = "",
    by: str = "",
    order_id: str = "",
) -> RulesVersion:
    """The camera's rules as a version to keep."""
    settings = hot_part(camera).as_written
    return RulesVersion(
        camera.camera_id, version, digest_of(camera), file_digest, at, source, settings, note, by, order_id
    )


class VersionFiles:
    """One file a camera. One process writes; any may read."""

    def __init__(self, folder: Path) -> None:
        """Nothing is touched yet."""
        self.folder = folder
        self.counts: Counter[str] = Counter()

    def all(self, camera_id: str) -> tuple[RulesVersion, ...]:
        """Oldest first; empty when there are none. Raises PermissionError: they are not this user's to read."""
        return tuple(self._read(camera_id))

    def last(self, camera_id: str) -> RulesVersion | None:
        """The newest."""
        found = self.all(camera_id)
        return found[-1] if found else None

    def get(self, camera_id: str, version: int) -> RulesVersion | None:
        """None: there is none of this number, or not any more."""
        return next((one for one in self.all(camera_id) if one.version == version), None)

    def camera_ids(self) -> tuple[str, ...]:
        """Cameras that have versions. Raises PermissionError."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except FileNotFoundError:
            return ()
        return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)))

    def add(self, one: RulesVersion) -> None:
        """Returns when it is on the disk. Raises OSError: the disk refused it."""
        self._write(one.camera_id, [*self.all(one.camera_id), one][-KEPT:])

    def take_back(self, one: RulesVersion) -> None:
        """It never came into force. Raises OSError."""
        self._write(one.camera_id, [other for other in self.all(one.camera_id) if other.version != one.version])

    def _write(self, camera_id: str, versions: list[RulesVersion]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lines = (json.dumps(asdict(one) | {"at": one.at.isoformat()}, ensure_ascii=False) + "\n" for one in versions)
        write_atomically(self._path(camera_id), "".join(lines).encode())

    def _read(self, camera_id: str) -> Iterator[RulesVersion]:
        try:
            lines = self._path(camera_id).read_bytes().splitlines()
        except FileNotFoundError:
            return
        except PermissionError:
            raise  # "there are none" would be a lie
        except OSError as error:
            self._note_unreadable(camera_id, str(error))
            return
        for number, line in enumerate(lines, start=1):
            try:
                yield _version(camera_id, json.loads(line))
            except (ValueError, TypeError, KeyError) as error:
                self._note_unreadable(camera_id, f"line {number}: {type(error).__name__}")

    def _note_unreadable(self, camera_id: str, why: str) -> None:
        self.counts["versions_unreadable"] += 1
        if self.counts["versions_unreadable"] == 1:
            log.warning("version of rules not readable", extra={"camera_id": camera_id, "why": why})

    def _path(self, camera_id: str) -> Path:
        return self.folder / f"{camera_id}{_SUFFIX}"


def _version(camera_id: str, value: Any) -> RulesVersion:
    one = RulesVersion(**(value | {"at": datetime.fromisoformat(value["at"]), "source": Source(value["source"])}))
    if one.camera_id != camera_id or not isinstance(one.version, int) or one.version < 1 or one.at.tzinfo is None:
        raise ValueError("not a version of this camera")
    return one

"""Which rules a node runs at its start: its settings file's, or those that a command or the centre has set since."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from xueliang_configs.cameras import CameraConfig
from xueliang_configs.node import NodeConfig
from xueliang_edge.health import RuleNotRunning
from xueliang_edge.hot_rules.comparing import Running, digest_of, unfit_rules
from xueliang_edge.hot_rules.versions import SAYS_THE_SAME, RulesVersion, Source, VersionFiles, version_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """What one camera runs at the start.

    Attributes:
        configured: with the rules of `version`.
        file_digest: of what the settings file says.
        is_new: the version is not kept yet.
    """

    configured: CameraConfig
    version: RulesVersion
    file_digest: str
    is_new: bool

    @property
    def words(self) -> str:
        """For people: which rules run, and what the file has to do with it."""
        if self.version.digest == self.file_digest:
            return self.version.words
        return f"{self.version.words} (not what the file says: it has not changed since that command)"


def rules_at_start(config: NodeConfig, files: VersionFiles, at: datetime) -> dict[str, Start]:
    """By camera_id. Reads only."""
    return {camera.camera_id: _start(camera, files, at) for camera in config.cameras}


def with_rules_of(config: NodeConfig, starts: Mapping[str, Start]) -> NodeConfig:
    """The settings with the rules that run."""
    return config.model_copy(update={"cameras": tuple(start.configured for start in starts.values())})


def running_of(start: Start, not_running: Iterable[RuleNotRunning]) -> Running:
    """`not_running`: of all cameras."""
    camera_id = start.configured.camera_id
    mine = tuple(one for one in not_running if one.camera_id == camera_id)
    return Running(start.configured, mine, start.file_digest)


def _commanded(last: RulesVersion, camera: CameraConfig) -> CameraConfig | str:
    """The camera with the command's rules, or why it cannot have them: its release or its views changed since."""
    try:
        wanted = last.over(camera)
    except ValidationError as error:
        return f"by this release: {error.error_count()} problems"
    unfit = unfit_rules(wanted)
    return f"with the file's views: {'; '.join(one.text for one in unfit)}" if unfit else wanted


def _start(camera: CameraConfig, files: VersionFiles, at: datetime) -> Start:
    """The file, unless a command changed the rules since and the file says of this camera what it said then."""
    last, file_digest = files.last(camera.camera_id), digest_of(camera)
    if last is None:
        first = version_of(camera, 1, file_digest, at, Source.FILE, note="first start")
        return Start(camera, first, file_digest, is_new=True)
    is_commanded = last.source is not Source.FILE and last.file_digest == file_digest
    if last.digest == file_digest and (is_commanded or last.source is Source.FILE):
        return Start(camera, last, file_digest, is_new=False)
    note = SAYS_THE_SAME if last.digest == file_digest else "changed while the node was not running"
    if is_commanded:
        found = _commanded(last, camera)
        if isinstance(found, CameraConfig):
            return Start(found, last, file_digest, is_new=False)
        note = f"version {last.version} cannot be used {found}"
        log.error("rules of the last command cannot be used", extra={"camera_id": camera.camera_id, "why": note})
    fresh = version_of(camera, last.version + 1, file_digest, at, Source.FILE, note=note)
    return Start(camera, fresh, file_digest, is_new=True)

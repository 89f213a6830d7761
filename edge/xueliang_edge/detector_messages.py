"""What a node and its detector children say to each other. Numbers, names and finished JPEG; never pixels."""

from __future__ import annotations

from dataclasses import dataclass

from xueliang_edge.detection import ModelSettings, OpenedModel, Seen, StillRequest, Unknown, Xyxyn
from xueliang_edge.evidence.masking import Refused
from xueliang_edge.evidence.stills import Still
from xueliang_edge.looks import PictureHandle, SceneHandle


@dataclass(frozen=True, slots=True)
class RegionSettings:
    """One region of shared memory, its descriptor handed over under this number."""

    region: int
    fd: int
    slots: int
    slot_bytes: int


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """The first message to a child."""

    models: tuple[ModelSettings, ...]
    regions: tuple[RegionSettings, ...]
    beat_every_s: float


@dataclass(frozen=True, slots=True)
class Ready:
    """Every model is open, warm and measured."""

    models: tuple[OpenedModel, ...]


@dataclass(frozen=True, slots=True)
class NotReady:
    """A model cannot be used; the child ends. `kind` is the name of a class of `xueliang_models.errors`."""

    kind: str
    problem: str


@dataclass(frozen=True, slots=True)
class Detect:
    """What is in this picture, or in a part of it? `number` is never used twice."""

    number: int
    handle: PictureHandle
    detector: str
    deadline_mono_s: float
    roi_xyxyn: Xyxyn | None


@dataclass(frozen=True, slots=True)
class Compose:
    """One masked still."""

    number: int
    request: StillRequest
    scene: SceneHandle | None
    deadline_mono_s: float


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to the question of this number."""

    number: int
    answer: Seen | Unknown | Still | Refused


@dataclass(frozen=True, slots=True)
class Beat:
    """Nothing to do, and able to say so. `answered`: how many questions so far."""

    answered: int

"""Model card: what a model is, whose it is, and the hash that proves it is this file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xueliang_models.errors import CardError, ForbiddenModel

# P01: things and places are watched, never identities. A class of such a name is refused, an appearance vector too.
_IDENTITY_WORDS: Final = frozenset(
    {
        "face",
        "faces",
        "facial",
        "plate",
        "plates",
        "licence",
        "license",
        "lpr",
        "identity",
        "reid",
        "gender",
        "male",
        "woman",
        "women",
        "girl",
        "boy",
        "female",
        "emotion",
        "ethnicity",
        "gait",
        "iris",
        "fingerprint",
    }
)
# However they are spelt: "number-plate", "NumberPlate", "re-identification".
_IDENTITY_STEMS: Final = ("licenseplate", "licenceplate", "numberplate", "reidentif", "faceid", "faceprint")
# fmt: off
COCO_80: Final = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)
# fmt: on
_NAMED_CLASSES: Final = {"coco-80": COCO_80}


class ModelCard(BaseModel):
    """What a card must say; further keys (recipe, figures, training data …) are kept for people and not read here."""

    model_config = ConfigDict(frozen=True, extra="allow")

    model_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
    title: str = ""
    file: str = Field(description="File name beside the card.")
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    layout: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,24}$")]
    classes: tuple[str, ...] | str = Field(description='Names in the order of the outputs, or a named list: "coco-80".')
    licence: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    url: str | None = Field(default=None, description="Where it may be fetched from (http, https or file).")
    recommended_score_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.4
    recommended_nms_iou: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="Suppression limit within a class; null: what the layout's family uses."
    )

    def class_names(self) -> tuple[str, ...]:
        """Raises CardError for an unknown named list."""
        if isinstance(self.classes, tuple):
            return self.classes
        if self.classes not in _NAMED_CLASSES:
            raise CardError(
                f"card {self.model_id}: classes: expected a list of names or one of {', '.join(_NAMED_CLASSES)}, "
                f"got {self.classes!r}"
            )
        return _NAMED_CLASSES[self.classes]


def read_card(path: Path) -> ModelCard:
    """Raises CardError (every problem, with its key) or ForbiddenModel."""
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CardError(f"{path}: cannot be read ({error.strerror}); expected a model card in JSON") from error
    except ValueError as error:
        raise CardError(f"{path}: is not JSON ({error}); expected a model card") from error
    return card_from(raw, str(path))


def card_from(raw: object, where: str) -> ModelCard:
    """One card out of parsed JSON. Raises CardError or ForbiddenModel."""
    try:
        card = ModelCard.model_validate(raw)
    except ValidationError as error:
        lines = [f"{where}: {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)]
        raise CardError("\n".join(lines)) from error
    refuse_identities(card.class_names(), where)
    return card


def refuse_identities(classes: tuple[str, ...], where: str) -> None:
    """Raises ForbiddenModel when a class names a way to tell who somebody is."""
    for name in classes:
        spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
        words = set(re.findall(r"[a-z]+", spaced))
        squeezed = re.sub(r"[^a-z]", "", spaced)
        if words & _IDENTITY_WORDS or any(stem in squeezed for stem in _IDENTITY_STEMS) or squeezed == "reid":
            raise ForbiddenModel(
                f"{where}: class {name!r} identifies people; this system watches things and places only"
            )

"""Which layout is this file?"""

from __future__ import annotations

from typing import Final

from xueliang_models.errors import ForbiddenModel, ModelMismatch, UnknownLayout
from xueliang_models.layouts.detr import DetrLayout
from xueliang_models.layouts.layout import Layout, RecognisableLayout
from xueliang_models.layouts.yolov5 import Yolov5Layout
from xueliang_models.layouts.yolov8 import Yolov8Layout
from xueliang_models.layouts.yolox import YoloxLayout
from xueliang_models.runtime import Session

LAYOUTS: Final[dict[str, type[RecognisableLayout]]] = {
    "yolox": YoloxLayout,
    "yolov8": Yolov8Layout,
    "yolov5": Yolov5Layout,
    "detr": DetrLayout,
}


def recognise(session: Session, expected: str | None = None) -> tuple[str, Layout]:
    """The layout's name and adapter.

    Raises:
        ModelMismatch: the card names another layout than the file has.
        ForbiddenModel: the file gives one vector per picture (an appearance embedding).
        UnknownLayout: no adapter reads it.
    """
    if expected is not None and expected not in LAYOUTS:
        raise UnknownLayout(f"layout {expected!r} of the card is unknown; expected one of {', '.join(LAYOUTS)}")
    for name, layout in LAYOUTS.items():
        found: Layout | None = layout.recognise(session.inputs, session.outputs)
        if found is not None:
            if expected is not None and expected != name:
                raise ModelMismatch(f"{session.path}: its card says layout {expected}, its outputs are {name}")
            return name, found
    shapes = ", ".join(f"{one.name} {list(one.shape)}" for one in session.outputs)
    if all(len(one.shape) == 2 for one in session.outputs):
        raise ForbiddenModel(
            f"{session.path}: gives one vector per picture ({shapes}); vectors of appearance could identify people and "
            "are refused"
        )
    raise UnknownLayout(
        f"{session.path}: outputs {shapes} are none that is known; expected one of {', '.join(LAYOUTS)}; "
        "export the model to one of them, input size fixed"
    )

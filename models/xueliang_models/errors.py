"""What can go wrong with a model.

ModelError
├── ModelFileError        missing, truncated, not ONNX: put the right file there; a retry alone does not help
│   └── ExternalDataError weights kept in other files: re-export as one file
├── ModelMismatch         the file is not what its card says (hash, input, classes): fetch it again or correct the card
├── UnknownLayout         the outputs are none that an adapter reads: export to a known layout
├── ForbiddenModel        identifies people (faces, plates, re-identification): refused for good
├── CardError             the card or catalogue cannot be read: correct it
├── FetchError            a download failed or its hash is wrong: a retry can help
└── InferenceError        the runtime failed on one picture, or gave numbers that are not finite: the look is unknown
"""

from __future__ import annotations


class ModelError(Exception):
    """Root of this room. Printed without a traceback: says which file, what was expected, what came, what to try."""


class ModelFileError(ModelError):
    """The file is missing, empty, truncated or no ONNX model."""


class ExternalDataError(ModelFileError):
    """The model keeps weights in other files, which could point anywhere on this machine."""


class ModelMismatch(ModelError):
    """File and card disagree."""


class UnknownLayout(ModelError):
    """No adapter reads these inputs and outputs."""


class ForbiddenModel(ModelError):
    """The model identifies people; this system watches things and places only."""


class CardError(ModelError):
    """A card or catalogue that cannot be read."""


class FetchError(ModelError):
    """A model could not be downloaded, or what came has another hash."""


class InferenceError(ModelError):
    """One picture could not be judged; the caller records *unknown*, never "nothing there"."""

"""One decoded picture with its times: what this room hands to the others.

A picture stays in the planes the decoder left: whoever needs only brightness never pays for colour, and whoever needs a
small colour picture pays for a small one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Wh = tuple[int, int]


def _range_table(black: int, white: int, middle: int | None) -> NDArray[np.uint8]:
    """Limited-range video levels to 0..255; around `middle` for the colour planes (ITU-R BT.601-7, 2.5.3)."""
    levels = np.arange(256, dtype=np.float64)
    stretched = (levels - black) * 255 / (white - black) if middle is None else (levels - middle) * 255 / 224 + middle
    return np.clip(np.round(stretched), 0, 255).astype(np.uint8)


_LUMA: Final = _range_table(16, 235, None)
_CHROMA: Final = _range_table(16, 240, 128)


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """A 4:2:0 picture: brightness, and two colour planes of half its size. Views of the decoder's or shared memory.

    Attributes:
        y: uint8, shape (h, w).
        u, v: uint8, shape (ceil(h/2), ceil(w/2)).
        is_full_range: levels go from 0 to 255; else from 16 to 235 (colour 16 to 240).

    Nobody writes to them. Rows may be padded in memory; `crop` and slices are views too.
    """

    y: NDArray[np.uint8]
    u: NDArray[np.uint8]
    v: NDArray[np.uint8]
    is_full_range: bool = False

    def __post_init__(self) -> None:
        if self.y.ndim != 2 or 0 in self.y.shape:
            raise ValueError(f"y must have shape (h, w), got {self.y.shape}")
        half = (-(-self.y.shape[0] // 2), -(-self.y.shape[1] // 2))
        for name in ("y", "u", "v"):
            plane = getattr(self, name)
            if plane.dtype != np.uint8 or (name != "y" and plane.shape != half):
                expected = self.y.shape if name == "y" else half
                raise ValueError(f"{name} must be uint8 of shape {expected}, got {plane.dtype} of shape {plane.shape}")

    @property
    def size_wh(self) -> Wh:
        """Width and height in pixels."""
        return self.y.shape[1], self.y.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes of all three planes without padding."""
        return self.y.size + self.u.size + self.v.size

    def crop(self, left: int, top: int, right: int, bottom: int) -> Planes:
        """A part of the picture, as views; left and top are rounded down to even pixels, the rest is clipped."""
        left, top = max(0, left) & ~1, max(0, top) & ~1
        right, bottom = min(self.y.shape[1], right), min(self.y.shape[0], bottom)
        rows, columns = slice(top // 2, -(-bottom // 2)), slice(left // 2, -(-right // 2))
        return Planes(self.y[top:bottom, left:right], self.u[rows, columns], self.v[rows, columns], self.is_full_range)

    def fitted(self, long_side_px: int) -> Planes:
        """At most so long on its long side; the same object when it is already."""
        size_wh = fitted_wh(self.size_wh, long_side_px)
        if size_wh == self.size_wh:
            return self
        half = (size_wh[0] // 2, size_wh[1] // 2)
        return Planes(_resized(self.y, size_wh), _resized(self.u, half), _resized(self.v, half), self.is_full_range)

    def bgr(self, size_wh: Wh | None = None) -> NDArray[np.uint8]:
        """Colour at this size, uint8 (h, w, 3) in OpenCV's order; a new array. None: full size.

        The planes are resized before they are joined: a small picture of a large one costs a tenth of the other way.
        """
        size_wh = size_wh or self.size_wh
        y, u, v = (_resized(plane, size_wh) for plane in (self.y, self.u, self.v))
        if not self.is_full_range:
            y, u, v = cv2.LUT(y, _LUMA), cv2.LUT(u, _CHROMA), cv2.LUT(v, _CHROMA)  # type: ignore[assignment]
        # OpenCV's YCrCb is full-range BT.601 with Cr (v) before Cb (u).
        return np.asarray(cv2.cvtColor(cv2.merge((y, v, u)), cv2.COLOR_YCrCb2BGR), dtype=np.uint8)

    def copy_into(self, buffer: memoryview, size_wh: Wh | None = None) -> int:
        """Write y, u and v one after the other, without padding; returns the bytes written.

        Of another size (None: its own) the picture is resized into the buffer: nothing is written twice.

        Raises:
            ValueError: the buffer is smaller than the picture.
        """
        size_wh = size_wh or self.size_wh
        needed = planes_bytes(size_wh)
        if len(buffer) < needed:
            raise ValueError(f"picture of {needed} bytes does not fit into {len(buffer)}")
        written = Planes.from_buffer(buffer, size_wh, is_full_range=self.is_full_range)
        for target, plane in ((written.y, self.y), (written.u, self.u), (written.v, self.v)):
            if target.shape == plane.shape:
                np.copyto(target, plane)
            else:
                cv2.resize(plane, target.shape[::-1], dst=target, interpolation=cv2.INTER_LINEAR)
        return needed

    @classmethod
    def from_buffer(cls, buffer: memoryview, size_wh: Wh, *, is_full_range: bool) -> Planes:
        """The picture that `copy_into` wrote, as views of the buffer."""
        width, height = size_wh
        half = (-(-height // 2), -(-width // 2))
        y_bytes, half_bytes = width * height, half[0] * half[1]
        y = np.frombuffer(buffer, np.uint8, y_bytes).reshape(height, width)
        u = np.frombuffer(buffer, np.uint8, half_bytes, y_bytes).reshape(half)
        v = np.frombuffer(buffer, np.uint8, half_bytes, y_bytes + half_bytes).reshape(half)
        return cls(y, u, v, is_full_range)

    @classmethod
    def from_bgr(cls, image_bgr: NDArray[np.uint8]) -> Planes:
        """From a colour picture (tests, pictures from files), full range."""
        joined = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2YCrCb)
        half = (-(-image_bgr.shape[1] // 2), -(-image_bgr.shape[0] // 2))
        v, u = (np.asarray(cv2.resize(joined[:, :, n], half, interpolation=cv2.INTER_AREA), np.uint8) for n in (1, 2))
        return cls(np.ascontiguousarray(joined[:, :, 0], dtype=np.uint8), u, v, is_full_range=True)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture of one camera.

    Attributes:
        camera_id: the label the source was opened with.
        sequence: counts from 1 per opened source and goes on over reconnects; pictures that were skipped leave no hole
            that means anything.
        planes: the picture. The frame owns the buffers: nobody writes to them.
        received_mono_s: when the packet that completed the picture arrived, monotonic seconds; never less than that of
            the frame before. For recordings: the recording's own clock, start + timestamp.
        received_at: the same moment by the wall clock, aware UTC.
        is_key: the picture was coded without reference to others.
        decode_ms: CPU time the decoder took since the frame before; 0: not known.
    """

    camera_id: str
    sequence: int
    planes: Planes
    received_mono_s: float
    received_at: datetime
    is_key: bool
    decode_ms: float = 0.0

    def __post_init__(self) -> None:
        if self.sequence < 1:
            raise ValueError(f"sequence counts from 1, got {self.sequence}")
        if self.received_at.utcoffset() != timedelta(0):
            raise ValueError(f"received_at must be aware UTC, got {self.received_at!r}")

    @property
    def size_wh(self) -> Wh:
        """Width and height in pixels."""
        return self.planes.size_wh

    @property
    def image_bgr(self) -> NDArray[np.uint8]:
        """The whole picture in colour, uint8 (h, w, 3). Computed at each call, a new buffer."""
        return self.planes.bgr()

    def luma(self) -> NDArray[np.uint8]:
        """Brightness as the decoder left it, uint8 (h, w): a view."""
        return self.planes.y


def fitted_wh(size_wh: Wh, long_side_px: int) -> Wh:
    """The size that `Planes.fitted` brings a picture to."""
    scale = long_side_px / max(size_wh)
    if scale >= 1:
        return size_wh
    width, height = (max(2, round(side * scale / 2) * 2) for side in size_wh)
    return width, height


def planes_bytes(size_wh: Wh) -> int:
    """What a picture of this size takes without padding."""
    width, height = size_wh
    return width * height + 2 * (-(-width // 2)) * (-(-height // 2))


def _resized(plane: NDArray[np.uint8], size_wh: Wh) -> NDArray[np.uint8]:
    if (plane.shape[1], plane.shape[0]) == size_wh:
        return plane
    # Bilinear, as the detectors were trained and measured; area averaging by a fraction costs 20 times more.
    return np.asarray(cv2.resize(plane, size_wh, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)

"""The long-term scene of one camera: what is always there, and what is there now that was not.

Invariants
    - Only what was seen free of people and vehicles, and steady, becomes scene. A pixel never seen so is *unknown*:
      stills fill it solid and the change grid says NaN there, never "nothing changed".
    - What stands on the scene is not absorbed for `ABSORB_AFTER_S`; the caller also excludes what an open alert is
      about, so an episode can never be ended by being learnt.
    - Slow light is followed: a global gain is compensated before comparing, and pixels that agree move towards the
      picture.
    - It survives a restart (`BackgroundFiles`): else what is parked when the node starts would be learnt as scene.

Gives up on purpose: a switch between day and night optics changes almost every pixel; after `STRANGE_AFTER_S` of that
the scene is learnt anew, with people, vehicles and open alerts left out.
"""

from __future__ import annotations

import io
import logging
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from xueliang_streams.frame import Planes

log = logging.getLogger(__name__)

GRID_WH: Final = (32, 18)
LUMA_WH: Final = (160, 90)  # 5 x 5 samples a cell
SCENE_LONG_SIDE_PX: Final = 1280  # P07: no still is larger
LEARN_AFTER_S: Final = 8  # a pixel this long steady and free becomes scene
ABSORB_AFTER_S: Final = 12 * 3600  # a change no alert is about becomes scene after half a day
LEARN_EVERY_S: Final = 1.0  # while much is unknown
REFINE_EVERY_S: Final = 10.0  # afterwards; a step of 2 levels each is 12 levels a minute, faster than dusk; costs 25 ms
STRANGE_SHARE: Final = 0.7
STRANGE_AFTER_S: Final = 30.0
_AGREES: Final = 18  # levels; noise of a compressed night picture stays below
_STEADY: Final = 36  # edges of a sharp line flicker by this much in wind and compression (lot_car_stops)
_CHANGED: Final = 22
_STEP: Final = 2
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Scene:
    """The background as a picture for stills.

    Attributes:
        planes: the picture; meaningless where not known.
        known: bool, shape (h, w).
    """

    planes: Planes
    known: NDArray[np.bool_]


class _Learnt:
    """One picture learnt pixel by pixel; one channel or three.

    `steady_s` counts for how long the candidate of a pixel has held: towards `LEARN_AFTER_S` where nothing is known
    yet, towards `ABSORB_AFTER_S` where the scene is known and something else stands.
    """

    def __init__(self, size_wh: tuple[int, int], channels: int) -> None:
        width, height = size_wh
        self.picture = np.zeros((height, width, channels), np.uint8)
        self.known = np.zeros((height, width), np.bool_)
        self._candidate = np.zeros_like(self.picture)
        self._steady_s = np.zeros((height, width), np.uint16)

    def difference(self, picture: NDArray[np.uint8], gain: float) -> NDArray[np.uint8]:
        """Largest channel difference to the scene under this light, uint8 (h, w)."""
        lit = np.asarray(cv2.convertScaleAbs(self.picture, alpha=gain), dtype=np.uint8)
        return _difference(picture, lit.reshape(self.picture.shape))

    def learn(self, picture: NDArray[np.uint8], free: NDArray[np.bool_], gain: float, elapsed_s: int) -> None:
        agrees = self.difference(picture, gain) <= _AGREES
        self._follow(picture, self.known & free & agrees)
        waiting = free & ~(self.known & agrees)
        if not waiting.any():
            self._steady_s.fill(0)
            return
        steady = waiting & (_difference(picture, self._candidate) <= _STEADY)
        restarted = waiting & ~steady
        self._candidate[restarted] = picture[restarted]
        # Half way each time: what is learnt in the end is the middle of the flicker, not its first value.
        self._candidate[steady] = cv2.addWeighted(self._candidate, 0.5, picture, 0.5, 0.0).reshape(picture.shape)[
            steady
        ]
        self._steady_s[~steady] = 0
        self._steady_s[steady] = np.minimum(self._steady_s[steady], 65_000 - elapsed_s) + elapsed_s
        ripe = steady & (self._steady_s >= np.where(self.known, ABSORB_AFTER_S, LEARN_AFTER_S))
        self.picture[ripe] = self._candidate[ripe]
        self.known |= ripe

    def forget(self) -> None:
        self.known[:] = False
        self._steady_s[:] = 0

    def _follow(self, picture: NDArray[np.uint8], where: NDArray[np.bool_]) -> None:
        """Move at most `_STEP` levels towards the picture: a running median, blind to what passes by."""
        mask = where.astype(np.uint8)[:, :, None] * np.uint8(_STEP)
        up = np.minimum(cv2.subtract(picture, self.picture).reshape(picture.shape), mask)
        down = np.minimum(cv2.subtract(self.picture, picture).reshape(picture.shape), mask)
        self.picture += up
        self.picture -= down


class Background:
    """The long-term scene of one camera. Belongs to one thread."""

    def __init__(self, frame_size_wh: tuple[int, int]) -> None:
        self.frame_size_wh = frame_size_wh
        self.scene_size_wh = fitted(frame_size_wh, SCENE_LONG_SIDE_PX)
        self._luma = _Learnt(LUMA_WH, 1)
        self._colour = _Learnt(self.scene_size_wh, 3)
        self._first_mono_s: float | None = None
        self._last_learnt_mono_s: float | None = None
        self._strange_s = 0.0

    @property
    def known_share(self) -> float:
        """Share of the picture whose scene is known, 0 to 1."""
        return float(self._luma.known.mean())

    def change(self, image_bgr: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Share of each cell that differs from the scene: float32 (18, 32), NaN in cells that are mostly unknown.

        None while hardly anything is known, or when almost everything changed at once (the light, not the place).
        """
        if self.known_share < 0.1:
            return None
        luma = _small_luma(image_bgr)
        known = self._luma.known
        changed = (self._luma.difference(luma, self._gain(luma)) > _CHANGED) & known
        if changed.sum() > STRANGE_SHARE * known.sum():
            return None
        known_cells = _cells(known)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = _cells(changed) / known_cells
        share[known_cells < 0.5] = np.nan
        return share.astype(np.float32)

    def learn(self, image_bgr: NDArray[np.uint8], excluded_xyxyn: NDArray[np.float32], mono_s: float) -> bool:
        """Let one picture teach the scene, apart from these boxes, float32 (n, 4) in 0..1. False: not due yet."""
        last = self._last_learnt_mono_s
        every_s = LEARN_EVERY_S if self.known_share < 0.95 and self._young(mono_s) else REFINE_EVERY_S
        if last is not None and mono_s - last < every_s - 0.05:
            return False
        elapsed_s = 1 if last is None else int(np.clip(round(mono_s - last), 1, REFINE_EVERY_S))
        self._last_learnt_mono_s = mono_s
        luma = _small_luma(image_bgr)
        gain = self._gain(luma)
        self._notice_strange(luma, gain, elapsed_s)
        self._luma.learn(luma, ~_boxes_mask(excluded_xyxyn, LUMA_WH), gain, elapsed_s)
        colour = resized(image_bgr, self.scene_size_wh)
        self._colour.learn(colour, ~_boxes_mask(excluded_xyxyn, self.scene_size_wh), gain, elapsed_s)
        return True

    def scene(self) -> Scene:
        """A copy that later learning does not touch."""
        return Scene(Planes.from_bgr(self._colour.picture), self._colour.known.copy())

    def to_bytes(self) -> bytes:
        arrays = {
            "format": np.array([_FORMAT, *self.frame_size_wh]),
            "luma": _encode(".png", self._luma.picture),
            "luma_known": _encode(".png", self._luma.known.astype(np.uint8) * 255),
            "colour": _encode(".jpg", self._colour.picture),
            "colour_known": _encode(".png", self._colour.known.astype(np.uint8) * 255),
        }
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]  # numpy's stub confuses the arrays with allow_pickle
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Background:
        """Raises ValueError for anything that `to_bytes` did not write."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                version, width, height = (int(value) for value in arrays["format"])
                if version != _FORMAT or not (16 <= width <= 16384 and 16 <= height <= 16384):
                    raise ValueError(f"format {version}, frame {width} x {height}")
                background = cls((width, height))
                background._luma.picture[:] = _decode(arrays["luma"], background._luma.picture)
                background._luma.known[:] = _decode(arrays["luma_known"], background._luma.known)[:, :] > 0
                background._colour.picture[:] = _decode(arrays["colour"], background._colour.picture)
                background._colour.known[:] = _decode(arrays["colour_known"], background._colour.known) > 0
                return background
        except (KeyError, OSError, EOFError, zipfile.BadZipFile, cv2.error) as error:
            raise ValueError(f"not a background file: {error}") from error

    def _young(self, mono_s: float) -> bool:
        """Much is unknown for good where vehicles park: look closely for the first two minutes only."""
        if self._first_mono_s is None:
            self._first_mono_s = mono_s
        return mono_s - self._first_mono_s < 120.0

    def _gain(self, luma: NDArray[np.uint8]) -> float:
        """How much brighter the known scene is now, as a median ratio; 1.0 while too little is known."""
        scene = self._luma.picture[:, :, 0]
        usable = self._luma.known & (scene > 12) & (luma[:, :, 0] < 250)
        if usable.sum() < 400:
            return 1.0
        ratios = luma[:, :, 0][usable].astype(np.float32) / scene[usable]
        return float(np.clip(np.median(ratios), 0.4, 2.5))

    def _notice_strange(self, luma: NDArray[np.uint8], gain: float, elapsed_s: int) -> None:
        known = self._luma.known
        differs = (self._luma.difference(luma, gain) > _CHANGED) & known
        if known.any() and differs.sum() > STRANGE_SHARE * known.sum():
            self._strange_s += elapsed_s
        else:
            self._strange_s = 0.0
        if self._strange_s > STRANGE_AFTER_S:
            self._luma.forget()
            self._colour.forget()
            self._strange_s = 0.0
            self._first_mono_s = None  # look closely again


class BackgroundFiles:
    """Backgrounds on disk, one file a camera, replaced atomically, readable by the owner only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, camera_id: str) -> Background | None:
        """None when there is none, or it cannot be read (said once in the log; it is learnt anew)."""
        path = self._path(camera_id)
        try:
            return Background.from_bytes(path.read_bytes())
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            log.warning("background not readable, learning anew", extra={"camera_id": camera_id, "why": str(error)})
            return None

    def save(self, camera_id: str, background: Background) -> None:
        """Raises OSError; the old file then stays."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self._path(camera_id), background.to_bytes())

    def _path(self, camera_id: str) -> Path:
        return self._folder / f"{camera_id}.background"


def write_atomically(path: Path, data: bytes) -> None:
    """All of it or nothing, also over a power cut; mode 0600."""
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def fitted(size_wh: tuple[int, int], long_side_px: int) -> tuple[int, int]:
    """The size with its long side brought down to the limit; never enlarged."""
    scale = min(1.0, long_side_px / max(size_wh))
    return max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale))


def resized(image_bgr: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture at this size; the same array when it has it already."""
    if (image_bgr.shape[1], image_bgr.shape[0]) == size_wh:
        return image_bgr
    return np.asarray(cv2.resize(image_bgr, size_wh, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _small_luma(image_bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    small = cv2.cvtColor(resized(image_bgr, LUMA_WH), cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.blur(small, (3, 3)), dtype=np.uint8)[:, :, None]


def _difference(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.uint8]:
    difference = cv2.absdiff(left, right).reshape(left.shape)
    if left.shape[2] == 1:
        return np.asarray(difference[:, :, 0], dtype=np.uint8)
    blue, green, red = cv2.split(difference)
    return np.asarray(cv2.max(cv2.max(blue, green), red), dtype=np.uint8)


def _cells(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of true samples in each cell of the grid, (18, 32)."""
    across, down = GRID_WH
    height, width = mask.shape
    cells: NDArray[np.float64] = mask.reshape(down, height // down, across, width // across).mean(axis=(1, 3))
    return cells


def _boxes_mask(boxes_xyxyn: NDArray[np.float32], size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    width, height = size_wh
    mask = np.zeros((height, width), np.bool_)
    for left, top, right, bottom in np.clip(np.nan_to_num(boxes_xyxyn), 0.0, 1.0):
        rows = slice(int(np.floor(top * height)), int(np.ceil(bottom * height)))
        mask[rows, int(np.floor(left * width)) : int(np.ceil(right * width))] = True
    return mask


def _encode(kind: str, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    options = [cv2.IMWRITE_JPEG_QUALITY, 90] if kind == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 3]
    done, data = cv2.imencode(kind, picture, options)
    if not done:
        raise OSError("background could not be encoded")
    return np.asarray(data, dtype=np.uint8)


def _decode(data: NDArray[np.uint8], like: NDArray[np.uint8] | NDArray[np.bool_]) -> NDArray[np.uint8]:
    flag = cv2.IMREAD_COLOR if like.shape[2:] == (3,) else cv2.IMREAD_GRAYSCALE
    picture = cv2.imdecode(data, flag)
    if picture is None or picture.shape[:2] != like.shape[:2]:
        raise ValueError("a picture in it does not fit")
    return np.asarray(picture, dtype=np.uint8).reshape(like.shape)

"""The long-term scene of one camera: what is always there, and what is there now that was not.

Invariants
    - Only what was seen free of people and vehicles, and steady, becomes scene. A place never seen so is *unknown*:
      stills fill it solid and the change grid says NaN there, never "nothing changed".
    - What stands on the scene is not absorbed for `ABSORB_AFTER_S`; the caller also excludes what an open alert is
      about, so an episode can never be ended by being learnt.
    - Slow light is followed: a global gain is compensated before comparing, and what agrees moves towards the picture.
    - It survives a restart (`BackgroundFiles`): else what is parked when the node starts would be learnt as scene. The
      map of restless places (`stillness.py`) and what the view usually shows (`view_memory.py`) are saved with it.
    - Brightness (160 x 90 samples, what rules are told of) is learnt at every look that is due; the picture for stills
      rarely. 1.8 MB of memory a camera.

Gives up on purpose: a switch between day and night optics changes almost every pixel; after `STRANGE_AFTER_S` of that
the scene is learnt anew, with people, vehicles and open alerts left out.
"""

from __future__ import annotations

import io
import logging
import os
import zipfile
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from xueliang_edge.brightness import (
    SMALL_WH,
    Small,
    boxes_mask,
    cell_shares,
    difference,
    gain_between,
    small_brightness,
)
from xueliang_edge.scene_picture import (
    ABSORB_AFTER_S,
    COUNTED_AT_MOST_S,
    LEARN_AFTER_S,
    LEARNT_LONG_SIDE_PX,
    LearntPicture,
    Scene,
)
from xueliang_edge.stillness import Restlessness
from xueliang_edge.view_memory import ViewMemory
from xueliang_streams.frame import Planes

__all__ = ["Background", "BackgroundFiles", "Scene", "fitted", "resized", "write_atomically"]

log = logging.getLogger(__name__)

SCENE_LONG_SIDE_PX: Final = 1280  # P07: no still is larger
LEARN_EVERY_S: Final = 1.0  # while much is unknown
REFINE_EVERY_S: Final = 10.0  # afterwards; a step of 2 levels each is 12 levels a minute, faster than dusk
ELAPSED_AT_MOST_S: Final = 30  # what one look may count for; under overload the detector looks so rarely
PICTURE_EVERY_S: Final = 4.0  # the picture for stills, while much of it is unknown; 5 ms each
PICTURE_REFINE_EVERY_S: Final = 60.0
YOUNG_S: Final = 120.0
STRANGE_SHARE: Final = 0.7
STRANGE_AFTER_S: Final = 30.0
_AGREES: Final = 18  # levels; noise of a compressed night picture stays below
_STEADY: Final = 36  # edges of a sharp line flicker by this much in wind and compression (lot_car_stops)
_CHANGED: Final = 22
_STEP: Final = 2  # levels for each REFINE_EVERY_S
_FORMAT: Final = 2


class _LearntBrightness:
    """The small brightness learnt sample by sample.

    `steady_s` counts for how long the candidate of a sample has held: towards `LEARN_AFTER_S` where nothing is known
    yet, towards `ABSORB_AFTER_S` where the scene is known and something else stands.
    """

    def __init__(self) -> None:
        shape = (SMALL_WH[1], SMALL_WH[0])
        self.picture = np.zeros(shape, np.uint8)
        self.known = np.zeros(shape, np.bool_)
        self._candidate = np.zeros(shape, np.uint8)
        self._steady_s = np.zeros(shape, np.uint16)

    def gain(self, small: Small) -> float:
        return gain_between(small, self.picture, self.known)

    def difference(self, small: Small, gain: float) -> Small:
        """Levels each sample differs from the scene under this light."""
        return difference(small, self.picture, gain)

    def learn(self, small: Small, free: NDArray[np.bool_], gain: float, elapsed_s: int) -> None:
        agrees = self.difference(small, gain) <= _AGREES
        self._follow(small, self.known & free & agrees, max(1, round(elapsed_s / REFINE_EVERY_S)) * _STEP)
        waiting = free & ~(self.known & agrees)
        if not waiting.any():
            self._steady_s.fill(0)
            return
        steady = waiting & (cv2.absdiff(small, self._candidate) <= _STEADY)
        # Half way each time: what is learnt in the end is the middle of the flicker, not its first value.
        halves = np.asarray(cv2.addWeighted(self._candidate, 0.5, small, 0.5, 0.0), dtype=np.uint8)
        self._candidate = np.where(steady, halves, np.where(waiting, small, self._candidate))
        counted_s = np.where(self.known, elapsed_s, min(elapsed_s, COUNTED_AT_MOST_S)).astype(np.uint16)
        counting = np.minimum(self._steady_s, 65_000 - elapsed_s).astype(np.uint16) + counted_s
        self._steady_s = np.where(steady, counting, np.uint16(0)).astype(np.uint16)
        ripe = steady & (self._steady_s >= np.where(self.known, ABSORB_AFTER_S, LEARN_AFTER_S))
        self.picture[ripe] = self._candidate[ripe]
        self.known |= ripe
        self._steady_s[ripe] = 0

    def forget(self) -> None:
        self.known[:] = False
        self._steady_s[:] = 0

    def _follow(self, small: Small, where: NDArray[np.bool_], step: int) -> None:
        """Move at most `step` levels towards the picture: a running median, blind to what passes by."""
        most = where.astype(np.uint8) * np.uint8(step)
        up = cv2.min(cv2.subtract(small, self.picture), most)
        down = cv2.min(cv2.subtract(self.picture, small), most)
        cv2.add(self.picture, up, dst=self.picture)
        cv2.subtract(self.picture, down, dst=self.picture)


class Background:
    """The long-term scene of one camera. Belongs to one thread.

    Pictures may come from either stream of the camera: they are brought to the size of the scene.

    Attributes:
        frame_size_wh: of the pictures it was made for; another size is another scene.
        restlessness: where the camera changes for no reason; `Stillness` learns it, here it is saved.
        view: what the camera usually shows; `ViewWatch` learns it, here it is saved.
    """

    def __init__(self, frame_size_wh: tuple[int, int]) -> None:
        self.frame_size_wh = frame_size_wh
        self.restlessness = Restlessness()
        self.view = ViewMemory()
        self._brightness = _LearntBrightness()
        self._picture = LearntPicture(fitted(frame_size_wh, LEARNT_LONG_SIDE_PX))
        self._first_mono_s: float | None = None
        self._learnt_mono_s: float | None = None
        self._picture_mono_s: float | None = None
        self._strange_s = 0.0

    @property
    def known_share(self) -> float:
        """Share of the picture whose scene is known, 0 to 1."""
        return float(self._brightness.known.mean())

    @property
    def is_worth_saving(self) -> bool:
        """Something of it is known."""
        return self.known_share > 0 or self.view.is_known

    def change(self, small: Small) -> NDArray[np.float32] | None:
        """Share of each cell that differs from the scene: float32 (18, 32), NaN in cells that are mostly unknown.

        None while hardly anything is known, or when almost everything changed at once (the light, not the place).
        """
        known = self._brightness.known
        known_count = np.count_nonzero(known)
        if known_count < 0.1 * known.size:
            return None
        changed = (self._brightness.difference(small, self._brightness.gain(small)) > _CHANGED) & known
        if np.count_nonzero(changed) > STRANGE_SHARE * known_count:
            return None
        if known_count == known.size:
            return cell_shares(changed)
        known_cells = cell_shares(known)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.minimum(cell_shares(changed) / known_cells, 1.0)
        share[known_cells < 0.5] = np.nan
        return np.asarray(share, dtype=np.float32)

    def learn(
        self, planes: Planes, excluded_xyxyn: NDArray[np.float32], mono_s: float, small: Small | None = None
    ) -> bool:
        """Let one picture teach the scene, apart from these boxes, float32 (n, 4) in 0..1. False: not due yet.

        Only pictures in which every detector of the camera really looked may teach: where an older answer was carried
        somebody may have come to a place that no rule watches. `small` is the picture's small brightness where the
        caller has it already.
        """
        every_s = LEARN_EVERY_S if self.known_share < 0.95 and self._is_young(mono_s) else REFINE_EVERY_S
        if self._learnt_mono_s is not None and mono_s - self._learnt_mono_s < every_s - 0.05:
            return False
        elapsed_s = _elapsed_s(self._learnt_mono_s, mono_s, ELAPSED_AT_MOST_S)
        self._learnt_mono_s = mono_s
        small = small_brightness(planes) if small is None else small
        gain = self._brightness.gain(small)
        self._notice_strange(small, gain, elapsed_s)
        self._brightness.learn(small, ~boxes_mask(excluded_xyxyn, SMALL_WH), gain, elapsed_s)
        self._learn_picture(planes, excluded_xyxyn, gain, mono_s)
        return True

    def scene(self) -> Scene:
        """A copy that later learning does not touch."""
        return self._picture.scene()

    def to_bytes(self) -> bytes:
        y, u, v = self._picture.planes
        arrays = {
            "format": np.array([_FORMAT, *self.frame_size_wh]),
            "brightness": _encode(".png", self._brightness.picture),
            "brightness_known": _encode(".png", self._brightness.known.astype(np.uint8) * 255),
            "restless": _encode(".png", self.restlessness.to_array()),
            "y": _encode(".jpg", y),
            "u": _encode(".jpg", u),
            "v": _encode(".jpg", v),
            "picture_known": _encode(".png", self._picture.known.astype(np.uint8) * 255),
        } | self.view.to_arrays()
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Background:
        """Raises ValueError for anything that `to_bytes` of this version did not write."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                version, width, height = (int(value) for value in arrays["format"])
                if version != _FORMAT or not (16 <= width <= 16384 and 16 <= height <= 16384):
                    raise ValueError(f"format {version}, frame {width} x {height}")
                background = cls((width, height))
                brightness, picture = background._brightness, background._picture
                brightness.picture[:] = _decode(arrays["brightness"], brightness.picture)
                brightness.known[:] = _decode(arrays["brightness_known"], brightness.known) > 0
                background.restlessness = Restlessness.from_array(_decode(arrays["restless"], brightness.picture))
                for name, plane in zip("yuv", picture.planes, strict=True):
                    plane[:] = _decode(arrays[name], plane)
                picture.known[:] = _decode(arrays["picture_known"], picture.known) > 0
                if "view" in arrays:
                    background.view = ViewMemory.from_arrays(arrays["view"], arrays["view_numbers"])
                return background
        except (KeyError, OSError, EOFError, zipfile.BadZipFile, cv2.error) as error:
            raise ValueError(f"not a background file: {error}") from error

    def _is_young(self, mono_s: float) -> bool:
        """Much is unknown for good where vehicles park: look closely for the first two minutes only."""
        if self._first_mono_s is None:
            self._first_mono_s = mono_s
        return mono_s - self._first_mono_s < YOUNG_S

    def _learn_picture(self, planes: Planes, excluded_xyxyn: NDArray[np.float32], gain: float, mono_s: float) -> None:
        is_wanting = self._picture.known_share < 0.95 and self._is_young(mono_s)
        every_s = PICTURE_EVERY_S if is_wanting else PICTURE_REFINE_EVERY_S
        if self._picture_mono_s is not None and mono_s - self._picture_mono_s < every_s - 0.05:
            return
        elapsed_s = _elapsed_s(self._picture_mono_s, mono_s, int(PICTURE_REFINE_EVERY_S))
        self._picture_mono_s = mono_s
        self._picture.learn(planes, excluded_xyxyn, gain, elapsed_s)

    def _notice_strange(self, small: Small, gain: float, elapsed_s: int) -> None:
        known = self._brightness.known
        differs = (self._brightness.difference(small, gain) > _CHANGED) & known
        if known.any() and np.count_nonzero(differs) > STRANGE_SHARE * np.count_nonzero(known):
            self._strange_s += elapsed_s if self._strange_s else 1.0  # not before it was seen
        else:
            self._strange_s = 0.0
        if self._strange_s > STRANGE_AFTER_S:
            self._brightness.forget()
            self._picture.forget()
            self._strange_s = 0.0
            self._first_mono_s = None  # look closely again


def _elapsed_s(last_mono_s: float | None, mono_s: float, at_most_s: int) -> int:
    return 1 if last_mono_s is None else int(np.clip(round(mono_s - last_mono_s), 1, at_most_s))


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
        self.save_bytes(camera_id, background.to_bytes())

    def save_bytes(self, camera_id: str, data: bytes) -> None:
        """The same for what `to_bytes` gave: the writing alone, for a thread that may wait for the disk."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self._path(camera_id), data)

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


def _encode(kind: str, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    options = [cv2.IMWRITE_JPEG_QUALITY, 90] if kind == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 3]
    done, data = cv2.imencode(kind, picture, options)
    if not done:
        raise OSError("background could not be encoded")
    return np.asarray(data, dtype=np.uint8)


def _decode(data: NDArray[np.uint8], like: NDArray[np.uint8] | NDArray[np.bool_]) -> NDArray[np.uint8]:
    picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    if picture is None or picture.shape != like.shape:
        raise ValueError("a picture in it does not fit")
    return np.asarray(picture, dtype=np.uint8)

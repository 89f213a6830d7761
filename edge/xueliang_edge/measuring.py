"""What this machine can carry, measured in at most a minute on work like a node's own.

Clips are drawn and encoded at the start: no file is needed, and every machine measures the same. CPU time is counted,
not the clock's: a machine that is busy with other things measures the same price, and less room.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
from av.packet import Packet
from numpy.typing import NDArray

from xueliang_edge.carrying import FILLED_SHARE, Carried, Prices, Room, Spread, carried, spread_of
from xueliang_edge.machine import Machine, read_machine
from xueliang_edge.wheels import Wheel
from xueliang_models.catalogue import EMBEDDED, open_detector
from xueliang_streams.decoded_planes import planes_of
from xueliang_streams.encoding import encode_clip
from xueliang_streams.frame import Planes

GOP_S: Final = 2
GOPS: Final = 2
"""Of a clip: two different key pictures tell more than one, and each GOP costs the encoder a second."""
JPEG_QUALITY: Final = 85
RECORD_BYTES: Final = 1_200
"""Of an alert in the spool."""
SHARES: Final = {"key_1080": 0.2, "all_1080": 0.2, "key_360": 0.08, "all_360": 0.08, "detect": 0.14, "jpeg": 0.06}
"""Of the time that is left after the clips were made."""
CORES_SHARE: Final = 0.14
FSYNC_SHARE: Final = 0.08
MOST_SAMPLES: Final = 400
QUIET_SHARE: Final = 0.85

Mono = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything `xueliang-edge measure` says.

    Attributes:
        all_cores_share: how fast each core is when all of them work, against one alone.
        got_share: of the processor's time, what other programs left to this one.
        key_kb: size of the clip's key pictures: cost goes with it.
        fsync_ms: of one small record in the data folder; None: nothing can be written there, `fsync_problem` says why.
    """

    machine: Machine
    wheels: tuple[Wheel, ...]
    prices: Prices
    jpeg_ms: Spread
    fsync_ms: Spread | None
    fsync_problem: str
    all_cores_share: float
    got_share: float
    key_kb: float
    seconds: float
    carried: tuple[Carried, ...]


def measure(*, seconds: float, data_dir: Path, wheels: tuple[Wheel, ...], mono: Mono) -> Measured:
    """Takes about `seconds`, and at least the ten or so that encoding the clips takes. `wheels`: see `try_wheels`.

    Raises:
        ModelError: the embedded detector does not open.
        StreamError: this build of the libraries cannot encode the clips.
    """
    began_s = mono()
    machine = read_machine()
    with tempfile.TemporaryDirectory(prefix="xueliang-measure-") as folder:
        large = _Clip.made(Path(folder) / "1080.mp4", (1920, 1080), 25, 4_000_000)
        small = _Clip.made(Path(folder) / "360.mp4", (640, 360), 10, 500_000)
    left_s = max(5.0, seconds - (mono() - began_s) - 1.0)
    samples = _sampled(large, small, left_s, mono)
    prices = Prices(*(spread_of(samples[name]) for name in ("key_1080", "all_1080", "key_360", "all_360", "detect")))
    together = _together(large, machine, CORES_SHARE * left_s, mono)
    fsync_ms, fsync_problem = fsync_spread(data_dir, FSYNC_SHARE * left_s, mono)
    room = Room(machine.cores_usable, together.share, machine.memory_bytes, machine.shm_free_bytes)
    return Measured(
        machine,
        wheels,
        prices,
        spread_of(samples["jpeg"]),
        fsync_ms,
        fsync_problem,
        together.share,
        together.got_share,
        large.key_kb,
        mono() - began_s,
        carried(prices, room),
    )


@dataclass(frozen=True, slots=True)
class _Clip:
    """Coded pictures in memory. `packets` are for decoders of their own, made by `decoder`."""

    codec_parameters: bytes
    packets: tuple[tuple[bytes, bool], ...]

    @classmethod
    def made(cls, path: Path, size_wh: tuple[int, int], fps: int, bitrate_bps: int) -> _Clip:
        gop = GOP_S * fps
        encode_clip(path, _street(size_wh, GOPS * gop), fps, gop=gop, bitrate_bps=bitrate_bps)
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            packets = [(bytes(packet), packet.is_keyframe) for packet in container.demux(stream) if packet.size]
            return cls(bytes(stream.codec_context.extradata or b""), tuple(packets))

    @property
    def key_kb(self) -> float:
        return sum(len(data) for data in self.keys) / len(self.keys) / 1000

    def decoder(self) -> Any:
        context = av.CodecContext.create("h264", "r")
        context.extradata = self.codec_parameters
        context.thread_count = 1
        return context

    @property
    def keys(self) -> list[bytes]:
        return [data for data, is_key in self.packets if is_key]

    def key_pictures(self) -> Callable[[], Any]:
        """Decodes all key pictures, each by itself: they cost differently, together always the same."""
        context, keys = self.decoder(), self.keys
        return lambda: [_one(context, data) for data in keys]

    def all_pictures(self) -> Callable[[], Any]:
        """Decodes every picture, in order."""
        context = self.decoder()
        return lambda: [context.decode(Packet(data)) for data, _ in self.packets]

    def picture(self) -> Planes:
        return planes_of(_one(self.decoder(), self.packets[0][0]))


def _one(context: Any, data: bytes) -> Any:
    pictures = context.decode(Packet(data)) or context.decode(None)
    context.flush_buffers()
    return pictures[0]


def _street(size_wh: tuple[int, int], count: int) -> Iterator[NDArray[np.uint8]]:
    """A textured scene with noise and things that move. Key pictures come out as large as those of a street by day."""
    width, height = size_wh
    dice = np.random.default_rng(7)
    coarse = dice.integers(40, 200, (height // 24, width // 24, 3), np.uint8)
    fine = dice.integers(0, 20, (height // 3, width // 3, 3), np.uint8)
    scene = cv2.addWeighted(
        cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC),
        0.8,
        cv2.resize(fine, size_wh, interpolation=cv2.INTER_LINEAR),
        0.6,
        0.0,
    )
    noises = [dice.integers(0, 4, (height, width, 3), np.uint8) for _ in range(4)]
    for index in range(count):
        image = cv2.add(scene, noises[index % len(noises)])
        for thing in range(6):
            left = (index * (3 + 2 * thing) + thing * width // 6) % (width - width // 10)
            top = height // 3 + thing * height // 12
            shift = np.s_[top : top + height // 10, left : left + width // 12]
            image[shift] = 255 - image[shift]
        yield np.asarray(image, dtype=np.uint8)


def _sampled(large: _Clip, small: _Clip, seconds: float, mono: Mono) -> dict[str, list[float]]:
    picture = large.picture()
    still = picture.fitted(1280).bgr()
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    with _embedded() as detect:
        works: dict[str, tuple[Callable[[], Any], int]] = {
            "key_1080": (large.key_pictures(), len(large.keys)),
            "all_1080": (large.all_pictures(), len(large.packets)),
            "key_360": (small.key_pictures(), len(small.keys)),
            "all_360": (small.all_pictures(), len(small.packets)),
            "detect": (lambda: detect(picture), 1),
            "jpeg": (lambda: cv2.imencode(".jpg", still, options), 1),
        }
        return {
            name: _cpu_ms(work, SHARES[name] * seconds, mono, pictures=pictures)
            for name, (work, pictures) in works.items()
        }


@contextmanager
def _embedded() -> Iterator[Callable[[Planes], Any]]:
    detector = open_detector(EMBEDDED)
    try:
        yield detector.detect
    finally:
        detector.close()


def _cpu_ms(work: Callable[[], Any], seconds: float, mono: Mono, *, pictures: int) -> list[float]:
    """CPU milliseconds a picture, again and again; the first time only warms up."""
    work()
    samples: list[float] = []
    until_s = mono() + seconds
    while not samples or (mono() < until_s and len(samples) < MOST_SAMPLES):
        began_s = time.thread_time()
        work()
        samples.append(1000 * (time.thread_time() - began_s) / pictures)
    return samples


@dataclass(frozen=True, slots=True)
class _Together:
    """All cores at work: how fast each is against one alone, and how much of them others left."""

    share: float
    got_share: float


def _together(clip: _Clip, machine: Machine, seconds: float, mono: Mono) -> _Together:
    """By pictures a CPU-second: shared caches, memory and hyper-threads slow a core down, neighbours only take time."""
    workers = max(1, round(machine.cores_usable))
    alone, _ = _speed(clip, 1, seconds / 2, mono)
    together, got_share = _speed(clip, workers, seconds / 2, mono)
    return _Together(min(1.0, together / alone), min(1.0, got_share))


def _speed(clip: _Clip, workers: int, seconds: float, mono: Mono) -> tuple[float, float]:
    """Clips decoded a CPU-second by so many threads, and the share of the time that they got.

    Decoders let other threads of the process go on meanwhile.
    """
    began_s = mono()
    runs, cpu_s = [0] * workers, [0.0] * workers

    def work(index: int) -> None:
        decode = clip.all_pictures()
        while not runs[index] or mono() < began_s + seconds:
            decode()
            runs[index] += 1
            cpu_s[index] = time.thread_time()

    threads = [threading.Thread(target=work, args=(index,), daemon=True) for index in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(runs) / max(1e-6, sum(cpu_s)), sum(cpu_s) / max(1e-6, workers * (mono() - began_s))


def fsync_spread(folder: Path, seconds: float, mono: Mono) -> tuple[Spread | None, str]:
    """Milliseconds by the clock until a small record is surely on the disk; None and why, when it cannot be written."""
    samples: list[float] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, prefix="xueliang-measure-") as file:
            until_s = mono() + seconds
            while not samples or (mono() < until_s and len(samples) < MOST_SAMPLES):
                began_s = mono()
                file.write(bytes(RECORD_BYTES))
                file.flush()
                os.fsync(file.fileno())
                samples.append(1000 * (mono() - began_s))
    except OSError as error:
        return None, f"{folder}: {error.strerror or error}"
    return spread_of(samples), ""


def words(measured: Measured) -> Iterator[str]:
    """For people, line by line."""
    machine = measured.machine
    yield f"processor: {machine.cpu_model} ({', '.join(machine.instruction_sets) or 'no known instruction sets'})"
    yield f"cores usable: {machine.cores_usable:g} ({machine.cores_words})"
    yield f"memory: {_size(machine.memory_bytes)}; /dev/shm: {_size(machine.shm_bytes)}"
    yield "packages: " + ", ".join(f"{one.package} {one.version or one.problem}" for one in measured.wheels)
    prices = measured.prices
    rows = (
        (f"decode a 1080p key picture ({measured.key_kb:.0f} kB)", prices.key_1080_ms),
        ("decode a 1080p picture when all are decoded", prices.all_1080_ms),
        ("decode a 640x360 key picture", prices.key_360_ms),
        ("decode a 640x360 picture when all are decoded", prices.all_360_ms),
        ("detect (embedded model, one thread)", prices.detect_ms),
        ("JPEG of 1280x720", measured.jpeg_ms),
    )
    yield "CPU milliseconds, middle (low to high):"
    for name, spread in rows:
        yield f"  {name:<46} {spread.middle:7.2f} ({spread.low:.2f} to {spread.high:.2f})"
    if measured.fsync_ms is None:
        yield f"fsync: not measured: {measured.fsync_problem}"
    else:
        spread = measured.fsync_ms
        yield f"fsync of one record: {spread.middle:.2f} ms ({spread.low:.2f} to {spread.high:.2f})"
    yield f"all cores at once: each is {measured.all_cores_share:.0%} as fast as one alone"
    if measured.got_share < QUIET_SHARE:
        yield f"other programs used the processor ({measured.got_share:.0%} was left): measure again on a quiet machine"
    yield f"cameras (1080p25 H.264, a key picture every 2 s, 4 Mbit/s), {FILLED_SHARE:.0%} of the cores filled:"
    for one in measured.carried:
        core, whole = one.per_core, one.per_machine
        yield (
            f"  {one.name}: {core.middle:.0f} per core ({core.low:.0f} to {core.high:.0f}), "
            f"{whole.middle:.0f} on this machine ({whole.low:.0f} to {whole.high:.0f}); "
            f"{one.cost.cpu_s_per_minute:.2f} CPU-seconds per camera-minute"
        )
        yield "    limits: " + ", ".join(f"{what} at {count}" for what, count in one.limits)
    yield f"measured in {measured.seconds:.0f} s"


def as_json(measured: Measured) -> dict[str, Any]:
    """For `--json`."""
    machine = measured.machine
    return {
        "cpu_model": machine.cpu_model,
        "instruction_sets": list(machine.instruction_sets),
        "cores_online": machine.cores_online,
        "cores_usable": machine.cores_usable,
        "memory_bytes": machine.memory_bytes,
        "shm_bytes": machine.shm_bytes,
        "shm_free_bytes": machine.shm_free_bytes,
        "packages": {one.package: one.version for one in measured.wheels},
        "package_problems": {one.package: one.problem for one in measured.wheels if one.problem},
        "ms": {
            "decode_key_1080p": _spread(measured.prices.key_1080_ms),
            "decode_all_1080p": _spread(measured.prices.all_1080_ms),
            "decode_key_640x360": _spread(measured.prices.key_360_ms),
            "decode_all_640x360": _spread(measured.prices.all_360_ms),
            "detect": _spread(measured.prices.detect_ms),
            "jpeg_1280x720": _spread(measured.jpeg_ms),
            "fsync": None if measured.fsync_ms is None else _spread(measured.fsync_ms),
        },
        "key_picture_kb": round(measured.key_kb, 1),
        "all_cores_share": round(measured.all_cores_share, 3),
        "got_share": round(measured.got_share, 3),
        "filled_share": FILLED_SHARE,
        "carried": [
            {
                "name": one.name,
                "cpu_s_per_camera_minute": round(one.cost.cpu_s_per_minute, 3),
                "cameras_per_core": _spread(one.per_core),
                "cameras_per_machine": _spread(one.per_machine),
                "limits": dict(one.limits),
                "limits_first": one.limits[0][0],
            }
            for one in measured.carried
        ],
        "seconds": round(measured.seconds, 1),
    }


def _spread(spread: Spread) -> dict[str, float]:
    return {"low": round(spread.low, 3), "middle": round(spread.middle, 3), "high": round(spread.high, 3)}


def _size(count: int | None) -> str:
    return "not known" if count is None else f"{count / 2**30:.1f} GiB"

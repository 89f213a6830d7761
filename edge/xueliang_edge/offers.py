"""What a probe found, in words for the installer: what is odd, what it costs, whether the sub stream fits. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from xueliang_edge.costs import Cost
from xueliang_streams.probe import Offer

SELDOM_KEY_S: Final = 4.2
"""The largest gap between looks that the usual rules allow, and a little: beyond it key pictures alone do not do."""
FEW_PICTURES_PER_S: Final = 5.0
LARGE_PIXELS: Final = 2_700 * 1_500
"""Between 2560x1440, a usual camera's most, and 4K."""
WRONG_CLOCK_S: Final = 2.0
SAME_ASPECT: Final = 0.03
"""Encoders round to 8 or 16 pixels: 640x368 is 16:9 all the same."""
_PLAIN_FORMATS: Final = frozenset({"yuv420p", "yuvj420p"})


@dataclass(frozen=True, slots=True)
class SubFit:
    """Whether a sub stream can do the everyday looks of a main stream."""

    fits: bool
    words: str
    is_swapped: bool = False


def described(offer: Offer) -> str:
    """One line: codec, size, rates."""
    width, height = offer.size_wh
    parts = [f"{offer.codec} {width}x{height}"]
    if offer.fps:
        parts.append(f"{offer.fps:.1f} pictures a second")
    if offer.gop_s:
        parts.append(f"a key picture every {offer.gop_s:.1f} s ({offer.gop_pictures} pictures)")
    if offer.bitrate_bps:
        parts.append(f"{offer.bitrate_bps / 1e6:.2f} Mbit/s")
    return ", ".join(parts)


def clock_words(offer: Offer) -> str:
    """What is known of the camera's clock."""
    ahead_s = offer.clock_ahead_s
    if ahead_s is None:
        if offer.reader == "file":
            return "a file has no clock"
        if offer.reader == "libav":
            return "not known: libav reads this camera, and does not tell"
        return f"not known: no sender report came in {offer.watched_s:.0f} s"
    side = "ahead of" if ahead_s >= 0 else "behind"
    return f"{_duration(abs(ahead_s))} {side} ours (encoding and network are in it)"


def oddities(offer: Offer) -> Iterator[str]:
    """Plain warnings: what an installer should change, or know."""
    width, height = offer.size_wh
    if offer.gop_s is None and offer.watched_s > SELDOM_KEY_S:
        yield (
            f"no second key picture in {offer.watched_s:.0f} s: looks between them need every picture decoded; set the "
            "camera's I-frame interval to 2 s, and switch its smart codec off"
        )
    elif offer.gop_s is not None and offer.gop_s > SELDOM_KEY_S:
        yield (
            f"a key picture only every {offer.gop_s:.1f} s: looks between them need every picture decoded; set the "
            "camera's I-frame interval to 2 s, and switch its smart codec off"
        )
    if offer.fps is not None and offer.fps < FEW_PICTURES_PER_S:
        yield f"only {offer.fps:.1f} pictures a second: what passes quickly is missed"
    if width * height > LARGE_PIXELS:
        yield f"{width}x{height}: pictures this large cost several times those of 1080p; give its sub stream as well"
    if width % 2 or height % 2:
        yield f"{width}x{height}: an odd size; it is read, the last row or column is approximate in colour"
    if offer.pixel_format not in _PLAIN_FORMATS:
        yield f"pixel format {offer.pixel_format}: each picture is converted to 8-bit 4:2:0 first, which costs a little"
    if offer.is_interlaced:
        yield "interlaced: what moves has combed edges; set the camera to progressive if it can be"
    if offer.clock_ahead_s is not None and abs(offer.clock_ahead_s) > WRONG_CLOCK_S:
        yield f"its clock is {clock_words(offer)}: alerts go by ours; set the camera's time server"
    if offer.packets_lost or offer.pictures_damaged:
        yield (
            f"{offer.packets_lost} packets lost and {offer.pictures_damaged} pictures damaged in "
            f"{offer.watched_s:.0f} s; check the network"
        )
    if offer.reader == "libav":
        yield f"read by libav ({offer.reader_note}): costs more than our own reader"
    if offer.offers_sound:
        yield "offers sound: it is never set up, no sound reaches this machine"


def sub_fit(main: Offer, sub: Offer) -> SubFit:
    """The same view, smaller: looks and zones then mean the same on both."""
    sizes = f"main {_size(main)}, sub {_size(sub)}"
    if abs(main.display_aspect / sub.display_aspect - 1) > SAME_ASPECT:
        words = (
            f"does not fit: another shape ({sizes}), so zones drawn on one do not lie on the other; set the sub stream "
            "to the main stream's aspect, for example 640x360"
        )
        return SubFit(False, words)
    if _pixels(sub) > _pixels(main):
        return SubFit(False, f"main and sub are swapped ({sizes}): exchange the two addresses", is_swapped=True)
    if _pixels(sub) == _pixels(main):
        return SubFit(False, f"does not fit: as large as the main stream ({sizes}), nothing is saved")
    return SubFit(True, f"fits ({sizes})")


def as_json(offer: Offer) -> dict[str, Any]:
    """For `--json`."""
    return {
        "codec": offer.codec,
        "size_wh": list(offer.size_wh),
        "fps": _rounded(offer.fps),
        "gop_pictures": offer.gop_pictures,
        "gop_s": _rounded(offer.gop_s),
        "bitrate_bps": _rounded(offer.bitrate_bps, 0),
        "pixel_format": offer.pixel_format,
        "is_interlaced": offer.is_interlaced,
        "key_bytes": offer.key_bytes,
        "key_decode_ms": [_rounded(value, 2) for value in offer.key_decode_ms],
        "all_decode_ms": _rounded(offer.all_decode_ms, 2),
        "clock_ahead_s": _rounded(offer.clock_ahead_s, 2),
        "clock": clock_words(offer),
        "offers_sound": offer.offers_sound,
        "reader": offer.reader,
        "reader_note": offer.reader_note,
        "watched_s": _rounded(offer.watched_s, 1),
        "packets_lost": offer.packets_lost,
        "pictures_damaged": offer.pictures_damaged,
        "warnings": list(oddities(offer)),
    }


def cost_json(cost: Cost) -> dict[str, Any]:
    """For `--json`."""
    return {
        "cpu_s_per_camera_minute": _rounded(cost.cpu_s_per_minute),
        "cores": _rounded(cost.cores, 4),
        "mbit_per_s": _rounded(cost.mbit_per_s),
        "needs_all_pictures": cost.needs_all_pictures,
        "lines": [{"what": line.what, "cpu_s": _rounded(line.cpu_s, 4), "words": line.words} for line in cost.lines],
    }


def cost_words(cost: Cost) -> Iterator[str]:
    """The sum, then how it comes about."""
    yield (
        f"cost: about {cost.cpu_s_per_minute:.2f} CPU-seconds per camera-minute, so {60 / cost.cpu_s_per_minute:.0f} "
        f"such cameras per core; {cost.mbit_per_s:.2f} Mbit/s"
    )
    for line in cost.lines:
        yield f"  {line.what:<7} {line.cpu_s:6.3f} s  {line.words}"


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)


def _size(offer: Offer) -> str:
    return "{}x{}".format(*offer.size_wh)


def _pixels(offer: Offer) -> int:
    return offer.size_wh[0] * offer.size_wh[1]


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} hours"
    return f"{seconds / 86_400:.0f} days"

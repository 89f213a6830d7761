"""One line that says how far an analysis is, on a terminal; elsewhere nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TextIO

from xueliang_edge.analysing.drawing import clock

EVERY_S: Final = 0.2
BAR_CHARACTERS: Final = 24


class ProgressLine:
    """Written over and over, and wiped at the end."""

    def __init__(self, stream: TextIO, length_s: float | None, mono: Callable[[], float]) -> None:
        self._stream, self._length_s, self._mono = stream, length_s, mono
        self._is_shown = stream.isatty()
        self._began_mono_s = self._written_mono_s = mono()
        self._width = 0

    def tell(self, at_s: float, alerts: int) -> None:
        """So far: seconds of the recording, alerts raised."""
        now = self._mono()
        if not self._is_shown or now - self._written_mono_s < EVERY_S:
            return
        self._written_mono_s = now
        self._write(progress_words(at_s, self._length_s, now - self._began_mono_s, alerts))

    def clear(self) -> None:
        """Before anything else is written."""
        if self._width:
            self._write("")

    def _write(self, text: str) -> None:
        self._stream.write(f"\r{text.ljust(self._width)}" + ("\r" if not text else ""))
        self._stream.flush()
        self._width = len(text)


def progress_words(at_s: float, length_s: float | None, took_s: float, alerts: int) -> str:
    """The line. `took_s`: seconds of real time."""
    speed = f"{at_s / took_s:.1f} x" if took_s > 0 else "-"
    told = f"{alerts} alert" + ("" if alerts == 1 else "s")
    if not length_s:
        return f"{clock(at_s)}  {speed}  {told}"
    share = min(1.0, at_s / length_s)
    bar = "#" * round(share * BAR_CHARACTERS)
    return (
        f"[{bar.ljust(BAR_CHARACTERS, '.')}] {100 * share:3.0f} %  {clock(at_s)} of {clock(length_s)}  {speed}  {told}"
    )

"""How often key pictures and pictures come: what a stream tells of itself without being decoded."""

from __future__ import annotations

from xueliang_streams.rtsp.sender_reports import UNIT_HZ


class Rhythm:
    """Counts the pictures between two key pictures."""

    def __init__(self) -> None:
        self.last_key_interval_s: float | None = None
        self.pictures_per_s: float | None = None
        self.keys = 0
        self._key_time: int | None = None
        self._pictures = 0

    def key_came(self, rtp_time: int, pictures: int) -> None:
        """A key picture, damaged or not; `pictures` of the stream so far, this one among them."""
        if self._key_time is not None and rtp_time > self._key_time:
            self.last_key_interval_s = (rtp_time - self._key_time) / UNIT_HZ
            self.pictures_per_s = (pictures - self._pictures) / self.last_key_interval_s
        self._key_time, self._pictures = rtp_time, pictures
        self.keys += 1

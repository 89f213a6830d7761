"""RTP payloads to coded pictures: H.264 by RFC 6184 (single units, STAP-A, FU-A), H.265 by RFC 7798 (single, AP, FU).

Invariants:
- A picture is handed out whole or not at all. A gap in it, fragments out of order, a missing begin or end, an aggregate
  that does not add up: it is dropped, counted as `damaged` and by reason.
- With `wants_all`, after a damage or a gap everything up to the next key picture is dropped too and counted as
  `waiting_for_key`: nothing that refers to a lost picture is handed out. The same holds for leading pictures (RASL) of
  the key picture that ended the wait.
- A key picture is one of IDR slices (H.264) or of IRAP slices (H.265), and brings all parameter sets known in front.
- A picture ends with the marker bit, or with the first packet of another time. Marker bits are trusted once a key
  picture of several packets has shown that they stand at its end only (some cameras mark every unit): so the first
  picture comes when the next one begins. A slice that goes on behind a marker ends the trust for good.
- Memory: one picture of at most MAX_PICTURE_BYTES, and the parameter sets.

Access unit delimiters are left out: no decoder needs them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from xueliang_streams.coded_picture import Arrival, Codec, CodedPicture
from xueliang_streams.rtp_packets import split_start_codes
from xueliang_streams.rtsp import unit_roles as roles
from xueliang_streams.rtsp.parameter_sets import MAX_SETS, START_CODE, ParameterSets
from xueliang_streams.rtsp.rhythm import Rhythm
from xueliang_streams.rtsp.sender_reports import RtpClock

MAX_PICTURE_BYTES: Final = 8 * 2**20
"""A 4K key picture at the highest rate a camera offers has 2 MB."""
_NONE: Final = -1
_SLICES: Final = (roles.SLICE, roles.LEADING_SLICE, roles.KEY_SLICE)
_SETS: Final = (roles.SET, roles.LEADING_SET)


class PictureAssembler:
    """Payloads of one RTP stream, in order of sequence, to pictures. `finished` is emptied by its owner."""

    def __init__(self, codec: Codec, parameter_sets: Iterable[bytes], clock: RtpClock, counts: Counter[str]) -> None:
        self._codec = codec
        self._table = roles.UNIT_TABLES[codec]
        self._sets = ParameterSets(codec, parameter_sets)
        self._clock = clock
        self._counts = counts
        self.rhythm = Rhythm()
        self.finished: list[CodedPicture] = []
        self.skipped_time: int | None = None
        """RTP time of the picture that was counted as skipped last: the reader's loop counts by it too."""
        self._wants_all = False
        self._waits_for_key = True
        self._drops_leading = True  # the last key picture followed a gap or an end
        self._has_ended = False
        self._trusts_marker = self._markers_lie = False
        self._is_suspect = False  # a gap stands directly before what comes next
        self._closed_time: int | None = None
        # The picture under way:
        self._time: int | None = None
        self._arrival: Arrival | None = None
        self._data = bytearray()
        self._own_sets: list[bytes] = []
        self._has_slice = False
        self._is_key = False
        self._is_marked = self._has_unmarked = False  # packets with and without the marker bit came
        self._damage = ""
        self._fragmented = _NONE  # kind of the unit whose fragments are coming
        self._unit_at = 0

    @property
    def wants_all(self) -> bool:
        """All pictures, or key pictures only. May change at any time; all of them from the next key picture on."""
        return self._wants_all

    @wants_all.setter
    def wants_all(self, wants_all: bool) -> None:
        if wants_all == self._wants_all:
            return
        self._wants_all = wants_all
        self._waits_for_key = True
        if not wants_all and self._has_slice and not self._is_key:
            self._skip()

    @property
    def is_skipping(self) -> bool:
        """Nothing is under way and only a key picture can begin: the reader may pass over what its tables allow."""
        return self._time is None and self._only_keys and not self._is_suspect

    @property
    def skip_reason(self) -> str:
        """What a picture that is passed over counts as."""
        return "waiting_for_key" if self._wants_all else "not_key"

    def gap(self) -> None:
        """Packets are missing before the next one."""
        if self._time is not None:
            self._spoil("gap")
        elif not self._only_keys:
            self._count_damaged("gap")
            self._waits_for_key = True
        self._is_suspect = True

    def take(self, payload: memoryview, rtp_time: int, is_marked: bool, arrival: Arrival) -> None:
        """The next packet's payload (not empty)."""
        if rtp_time == self._time and not is_marked and self._append_middle(payload):
            self._arrival = arrival
            return
        if self._time is not None and rtp_time != self._time:
            self._close()
        self._time = rtp_time
        self._arrival = arrival
        if self._is_marked and self._role_in(payload) in _SLICES:
            self._distrust_markers()
        if self._damage:
            self._is_suspect = False
            self._is_key = self._is_key or self._role_in(payload) == roles.KEY_SLICE
        else:
            self._packet(payload)
        if self._has_slice or self._damage:
            if is_marked and self._trusts_marker:
                self._close()
        elif not (self._data or self._own_sets):
            self._time = None
        if self._time is not None:
            self._is_marked = self._is_marked or is_marked
            self._has_unmarked = self._has_unmarked or not is_marked

    def _append_middle(self, payload: memoryview) -> bool:
        """The usual case in short: a fragment that goes on with the unit under way and does not end it."""
        at = self._table.head_bytes
        if self._is_marked or not self._table.is_fragment[payload[0]] or len(payload) <= at + 1:
            return False
        if payload[at] != self._fragmented:  # the kind, and neither first nor last
            return False
        self._data += payload[at + 1 :]
        self._has_unmarked = True
        if len(self._data) > MAX_PICTURE_BYTES:
            self._spoil("too_large")
        return True

    @property
    def _only_keys(self) -> bool:
        return self._waits_for_key or not self._wants_all

    def _packet(self, payload: memoryview) -> None:
        role = self._role(payload)
        if role == roles.FRAGMENT:
            self._fragment(payload)
        elif role == roles.AGGREGATE:
            self._aggregate(payload)
        else:
            self._whole(payload, role)

    def _role(self, unit: memoryview) -> int:
        if self._table.head_bytes == 2 and (len(unit) < 2 or unit[0] & 1 or unit[1] >> 3):
            return roles.IGNORED if len(unit) >= 2 else roles.MALFORMED  # another layer than the base
        return self._table.roles[unit[0]]

    def _role_in(self, payload: memoryview) -> int:
        role, at = self._role(payload), self._table.head_bytes
        return self._table.fragment_roles[payload[at]] if role == roles.FRAGMENT and len(payload) > at else role

    def _aggregate(self, payload: memoryview) -> None:
        at = self._table.head_bytes
        while at + 2 < len(payload) and not self._damage:
            size = payload[at] << 8 | payload[at + 1]
            at += 2 + size
            if not size or at > len(payload):
                break
            unit = payload[at - size : at]
            role = self._role(unit)
            is_nested = role in (roles.AGGREGATE, roles.FRAGMENT)
            self._whole(unit, roles.MALFORMED if is_nested else role)
        if at != len(payload):
            self._spoil("length")

    def _whole(self, unit: memoryview, role: int) -> None:
        if self._fragmented != _NONE:
            self._spoil("fragments")
        elif role in _SLICES:
            if len(unit) <= self._table.head_bytes:
                self._spoil("malformed")
            elif self._begin_slice(role, is_first=unit[self._table.head_bytes] >= 0x80):
                self._append(START_CODE, unit)
        elif role in _SETS:
            self._take_set(bytes(unit))
        elif role == roles.PREFIX:
            self._append(START_CODE, unit)
        else:
            self._other(unit, role)

    def _other(self, unit: memoryview, role: int) -> None:
        if role == roles.DELIMITER:
            self._is_suspect = False  # a picture begins here: what is missing was before it
        elif role == roles.END:
            self._has_ended = True
        elif role == roles.ENCLOSED and bytes(unit[:4]).startswith((b"\0\0\1", START_CODE)):
            self._take_enclosed(bytes(unit))
        elif role != roles.IGNORED:
            self._spoil("unsupported" if role == roles.UNSUPPORTED else "malformed")

    def _fragment(self, payload: memoryview) -> None:
        at = self._table.head_bytes
        if len(payload) <= at + 1:
            self._spoil("malformed")
            return
        byte = payload[at]
        kind, role = byte & self._table.kind_mask, self._table.fragment_roles[byte]
        if byte & roles.FIRST_FRAGMENT:
            if self._fragmented != _NONE:
                self._spoil("fragments")
            elif role == roles.MALFORMED or role == roles.UNSUPPORTED:
                self._spoil("malformed")
            elif self._begin_unit(role, is_first=payload[at + 1] >= 0x80):
                self._fragmented, self._unit_at = kind, len(self._data)
                self._append(START_CODE, self._table.head_of_fragmented(payload), payload[at + 1 :])
        elif self._fragmented == kind:
            self._append(payload[at + 1 :])
        elif self._fragmented != _NONE:
            self._spoil("fragments")
        else:
            self._stray_fragment(role)
        if byte & roles.LAST_FRAGMENT and self._fragmented != _NONE:
            self._end_unit(role)

    def _begin_unit(self, role: int, is_first: bool) -> bool:
        """Whether the unit whose first fragment came is kept."""
        if role in _SLICES:
            return self._begin_slice(role, is_first)
        return role in _SETS or role == roles.PREFIX

    def _end_unit(self, role: int) -> None:
        self._fragmented = _NONE
        if role in _SETS:
            unit = bytes(self._data[self._unit_at + len(START_CODE) :])
            del self._data[self._unit_at :]
            self._take_set(unit)

    def _stray_fragment(self, role: int) -> None:
        """One that goes on with a unit whose begin is not here."""
        if role not in _SLICES:
            return
        was_suspect, self._is_suspect = self._is_suspect, False
        if self._is_unwanted(role):
            self._skip()
            return
        self._is_key = self._is_key or role == roles.KEY_SLICE
        self._spoil_begin(was_suspect)

    def _begin_slice(self, role: int, is_first: bool) -> bool:
        """Whether a slice belongs to a picture that is wanted; begins or spoils that picture."""
        was_suspect, self._is_suspect = self._is_suspect, False
        if self._is_unwanted(role):
            self._skip()
            return False
        if self._has_slice and role == roles.KEY_SLICE and not self._is_key:
            time = self._time  # two pictures of one time, and no marker between them
            self._close()
            self._time = time
        self._is_key = self._is_key or role == roles.KEY_SLICE
        if not self._has_slice:
            if not is_first:
                self._spoil_begin(was_suspect)
                return False
            if was_suspect and self._sets.come_in_band:
                self._spoil("gap")  # its parameter sets were among the lost packets
                return False
        self._has_slice = True
        return True

    def _is_unwanted(self, role: int) -> bool:
        if self._is_key or role not in (roles.SLICE, roles.LEADING_SLICE):
            return False
        return self._only_keys or (role == roles.LEADING_SLICE and self._drops_leading)

    def _spoil_begin(self, was_suspect: bool) -> None:
        """A picture does not begin with its first slice."""
        if not was_suspect and self._trusts_marker and self._closed_time == self._time:
            self._distrust_markers()
        self._spoil("begin")

    def _distrust_markers(self) -> None:
        if not self._markers_lie:
            self._counts["early_markers"] += 1
        self._markers_lie, self._trusts_marker = True, False

    def _take_enclosed(self, data: bytes) -> None:
        for part in split_start_codes(data):
            unit = memoryview(part)
            self._whole(unit, self._role(unit))
            if self._damage:
                return

    def _take_set(self, unit: bytes) -> None:
        if b"\0\0\1" in unit:
            self._take_enclosed(START_CODE + unit)
        elif not self._sets.add(unit):
            self._counts["malformed_sets"] += 1
        elif len(self._own_sets) == MAX_SETS:
            self._spoil("too_large")
        else:
            self._own_sets.append(START_CODE + unit)
            if self._table.roles[unit[0]] == roles.LEADING_SET:
                self._is_suspect = False

    def _append(self, *parts: bytes | memoryview) -> None:
        for part in parts:
            self._data += part
        if len(self._data) > MAX_PICTURE_BYTES:
            self._spoil("too_large")

    def _spoil(self, reason: str) -> None:
        """The picture under way cannot become whole any more."""
        if not self._damage:
            self._damage = reason
            self._data.clear()
            self._fragmented = _NONE

    def _skip(self) -> None:
        """The picture under way is not wanted."""
        if self.skipped_time != self._time:
            self.skipped_time = self._time
            self._counts[self.skip_reason] += 1
        self._reset()

    def _close(self) -> None:
        """The picture under way has ended."""
        if self._fragmented != _NONE:
            self._spoil("fragments")
        self._closed_time = self._time
        if self._is_key and not self._damage and not self._sets.is_complete:
            self._damage = "no_parameter_sets"
        if self._damage or self._has_slice:
            self._finish()
        if self._is_key and self._is_marked and self._has_unmarked and not (self._damage or self._markers_lie):
            self._trusts_marker = True
        self._reset()

    def _finish(self) -> None:
        assert self._time is not None
        assert self._arrival is not None
        rtp_time = self._clock.unwrapped(self._time, self._arrival)
        if self._damage:
            # Of a picture that is not known to be a key picture nobody who wants only those has lost anything.
            if self._is_key or self._own_sets or not self._only_keys:
                self._count_damaged(self._damage)
            self._waits_for_key = True
        else:
            self._counts["assembled"] += 1
            self._hand_out(rtp_time, self._arrival)
        if self._is_key:
            counts = self._counts
            seen = sum(counts[kind] for kind in ("assembled", "damaged", "not_key", "waiting_for_key"))
            self.rhythm.key_came(rtp_time, seen)

    def _hand_out(self, rtp_time: int, arrival: Arrival) -> None:
        if self._is_key:
            self._sets.renew(tuple(unit.removeprefix(START_CODE) for unit in self._own_sets))
            front = self._sets.joined()
            self._drops_leading = self._waits_for_key or self._has_ended
            self._waits_for_key = self._has_ended = False
        else:
            front = b"".join(self._own_sets)
        captured_at = self._clock.captured_at(self._time or 0, arrival)
        data = front + self._data
        self.finished.append(CodedPicture(self._codec, data, self._is_key, arrival, rtp_time, captured_at))

    def _count_damaged(self, reason: str) -> None:
        self._counts["damaged"] += 1
        self._counts[f"damaged_{reason}"] += 1

    def _reset(self) -> None:
        self._time = None
        self._data.clear()
        self._own_sets.clear()
        self._has_slice = self._is_key = self._is_marked = self._has_unmarked = False
        self._damage = ""
        self._fragmented = _NONE

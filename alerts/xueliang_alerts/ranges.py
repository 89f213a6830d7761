"""A set of sequences as sorted, disjoint, inclusive ranges: what of a spool is settled. Both sides count with it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator


class SequenceRanges:
    """Sequences from 1 upwards. Neighbouring ranges are merged, so a spool without holes is one range.

    Not thread-safe: the owner holds its lock.
    """

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._firsts, self._lasts, strict=True))

    def __contains__(self, sequence: int) -> bool:
        at = bisect_right(self._firsts, sequence) - 1
        return at >= 0 and sequence <= self._lasts[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SequenceRanges) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"SequenceRanges({list(self)})"

    @property
    def highest(self) -> int:
        """The greatest member; 0 when empty."""
        return self._lasts[-1] if self._lasts else 0

    @property
    def contiguous_through(self) -> int:
        """Everything from 1 up to here is a member; 0 when 1 is not."""
        return self._lasts[0] if self._firsts and self._firsts[0] == 1 else 0

    def count(self) -> int:
        return sum(last - first + 1 for first, last in self)

    def beyond_contiguous(self) -> list[tuple[int, int]]:
        """The ranges after the first hole: what a receipt lists as `committed`."""
        return [pair for pair in self if pair[0] != 1]

    def add(self, first: int, last: int | None = None) -> None:
        """Add first..last, both included (one sequence without `last`)."""
        last = first if last is None else last
        if first < 1 or last < first:
            raise ValueError(f"a range counts from 1 upwards, got {first} to {last}")
        start = bisect_right(self._firsts, first)
        if start > 0 and self._lasts[start - 1] >= first - 1:
            start -= 1
            first = self._firsts[start]
        end = start
        while end < len(self._firsts) and self._firsts[end] <= last + 1:
            last = max(last, self._lasts[end])
            end += 1
        self._firsts[start:end] = [first]
        self._lasts[start:end] = [last]

    def discard(self, first: int, last: int | None = None) -> None:
        """Take first..last out, whether or not they are members."""
        last = first if last is None else last
        kept = [
            part
            for low, high in self
            for part in ((low, min(high, first - 1)), (max(low, last + 1), high))
            if part[0] <= part[1] and not (part[0] >= first and part[1] <= last)
        ]
        unique = sorted(set(kept))
        self._firsts, self._lasts = [low for low, _ in unique], [high for _, high in unique]

    def missing_within(self, first: int, last: int) -> list[tuple[int, int]]:
        """What of first..last is not a member."""
        holes: list[tuple[int, int]] = []
        at = first
        for low, high in self:
            if high < at:
                continue
            if low > last:
                break
            if low > at:
                holes.append((at, low - 1))
            at = high + 1
        if at <= last:
            holes.append((at, last))
        return holes

"""One record on disk: torn and damaged are told apart, and no flipped bit passes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xueliang_alerts.records import HEAD_BYTES, RecordKind, encode_record, payload_of, read_head, scan


def _record(sequence: int, payload: bytes = b'{"a": 1}') -> bytes:
    return encode_record(RecordKind.ALERT, payload, sequence=sequence, severity=2, emitted_us=7)[1]


def _sequences(data: bytes) -> list[int]:
    return [record.head.sequence for record in scan(data).records if record.is_intact]


def test_a_record_reads_back_as_written() -> None:
    head, frame = encode_record(RecordKind.GAP, b"payload", sequence=9, severity=0, emitted_us=123)
    assert read_head(frame) == head
    assert payload_of(frame) == b"payload"
    assert len(frame) == HEAD_BYTES + 7


def test_every_truncation_of_the_last_record_is_torn_and_costs_only_that_record() -> None:
    whole, last = _record(1) + _record(2), _record(3)
    for cut in range(1, len(last)):
        found = scan(whole + last[:cut])
        assert [record.head.sequence for record in found.records] == [1, 2]
        assert found.torn_at == len(whole)
        assert found.damaged_stretches == []


def test_zeros_after_the_last_record_are_a_write_that_never_finished() -> None:
    whole = _record(1)
    found = scan(whole + bytes(5000))
    assert found.torn_at == len(whole)
    assert found.damaged_stretches == []


def test_every_flipped_bit_is_noticed_and_the_other_records_flow() -> None:
    records = [_record(number) for number in (1, 2, 3)]
    data = b"".join(records)
    for position in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[position] ^= 1 << bit
            found = scan(bytes(flipped))
            hit = position // len(records[0]) + 1
            assert _sequences(bytes(flipped)) == [number for number in (1, 2, 3) if number != hit]
            assert found.damaged_stretches or any(not record.is_intact for record in found.records)
            assert found.torn_at is None


def test_a_record_hidden_in_a_payload_is_not_taken_for_one() -> None:
    outer = _record(1, _record(99))
    assert _sequences(outer + _record(2)) == [1, 2]


@given(st.binary(max_size=400), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_any_bytes_can_be_scanned(noise: bytes, good_records: int) -> None:
    good = b"".join(_record(number + 1) for number in range(good_records))
    found = scan(good + noise + good)
    assert _sequences(good + noise + good)[:good_records] == [number + 1 for number in range(good_records)]
    covered = sum(HEAD_BYTES + record.head.length for record in found.records)
    covered += sum(length for _, length in found.damaged_stretches)
    covered += len(good + noise + good) - found.torn_at if found.torn_at is not None else 0
    assert covered == len(good + noise + good), "every byte is a record, damage or torn"


@pytest.mark.parametrize("length", [0, 1, 70_000])
def test_payloads_of_any_size_read_back(length: int) -> None:
    assert payload_of(_record(5, b"x" * length)) == b"x" * length

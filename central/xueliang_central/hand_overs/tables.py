"""Notes by which a shift hands over.

Invariants
    - Facts and words of a note never change. Its only later change is its one acknowledgement.
    - The facts are of the writer's own area and below, as the centre knew them when the note was saved.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, String, Table

from xueliang_central.store.metadata import AREA_PATH_LENGTH, JsonText, UtcDateTime, metadata

LONGEST_WORDS: Final = 1000  # as `routes.asking.Text`

hand_overs: Final = Table(
    "hand_overs",
    metadata,
    Column("hand_over_id", String(36), primary_key=True),
    Column("area_code", String(15), nullable=False),
    Column("area_path", String(AREA_PATH_LENGTH), nullable=False),
    Column("written_at", UtcDateTime, nullable=False),
    Column("writer_id", String(36), nullable=False),
    Column("writer_name", String(120), nullable=False),
    Column("words", String(LONGEST_WORDS), nullable=False),
    Column("facts", JsonText, nullable=False),
    Column("acknowledged_at", UtcDateTime),
    Column("reader_id", String(36)),
    Column("reader_name", String(120)),
)
Index("hand_overs_by_area", hand_overs.c.area_path, hand_overs.c.written_at)
Index("hand_overs_by_written", hand_overs.c.written_at)

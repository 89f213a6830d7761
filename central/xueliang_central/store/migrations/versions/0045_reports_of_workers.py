"""Photos and voice notes of what a worker reports, and how well the phone knew the place.

Only adds: the release before runs on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import UtcDateTime

revision = "0045"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sightings", sa.Column("accuracy_m", sa.Float(), nullable=True))
    op.create_table(
        "sighting_files",
        sa.Column("sighting_id", sa.String(36), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("area_path", sa.String(80), nullable=False),
        sa.Column("added_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(
            ["sighting_id"],
            ["sightings.sighting_id"],
            name=op.f("fk_sighting_files_sighting_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("sighting_id", "sha256", "kind", name=op.f("pk_sighting_files")),
    )
    op.create_index("sighting_files_by_sha256", "sighting_files", ["sha256"])


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

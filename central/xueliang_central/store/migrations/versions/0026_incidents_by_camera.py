"""What was at a place before: an index of incidents by their camera.

Only adds: the release before runs on it.
"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("incidents_by_camera", "incidents", ["camera_id", "opened_at"])


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

"""Photos by their hash, and stills by their alert: what retention, showing a photo and moving alerts ask.

Only adds: the release before runs on it.
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("task_photos_by_sha256", "task_photos", ["sha256"])
    op.create_index("expected_pictures_by_alert", "expected_pictures", ["alert_id"])


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

"""What ended by itself before it was judged is reviewed; what a person sends somebody to although it is gone stands;
what a fault of a camera mutes.

Only adds: the release before runs on it until a camera has a fault, whose kind of silence it does not know: so every
process is new before nodes speak again. What has ended so already waits to be reviewed, too, as
far back as the list goes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import JsonText, UtcDateTime

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

_WINDOW = timedelta(days=30)  # of `incidents/reviewing.py`: years of it would wait for ever
_ENDED = sa.text("review IS NOT NULL")
_COUNTS = ("waiting", "true_hazard", "false_alarm", "permitted", "no_answer")
# The entries that are a judgement when a person made them, and those of a lane's managing unit, or of a worker.
_WAITS = """
UPDATE incidents SET review = 'waiting'
WHERE close_reason = 'ended_by_itself' AND NOT drill AND alert_count > 0 AND opened_at > :since AND NOT EXISTS (
    SELECT 1 FROM incident_timeline t WHERE t.incident_id = incidents.incident_id AND (
        t.kind IN ('unit_clears', 'unit_done', 'handled')
        OR (t.actor_kind = 'user' AND t.kind IN ('confirmed', 'dispatched', 'unit_told', 'kept_open', 'closed'))
    )
)
"""


def waits(now: datetime) -> sa.TextClause:
    return sa.text(_WAITS).bindparams(sa.bindparam("since", now - _WINDOW, type_=UtcDateTime()))


def upgrade() -> None:
    op.add_column("incidents", sa.Column("review", sa.String(12), nullable=True))
    op.add_column("incidents", sa.Column("sent_when_gone", sa.Boolean(), nullable=False, server_default=sa.false()))
    for name in _COUNTS:
        op.add_column("rollups", sa.Column(f"ended_{name}", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("silences", sa.Column("hazards", JsonText(), nullable=True))
    op.execute(waits(datetime.now(UTC)))
    columns = ["review", "opened_at", "incident_id", "area_path"]
    op.create_index("incidents_to_review", "incidents", columns, postgresql_where=_ENDED, sqlite_where=_ENDED)


def downgrade() -> None:
    raise NotImplementedError("migrations only expand; go back by restoring the backup")

"""The register keeps what a camera is for and by which right it watches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cameras", sa.Column("purpose", sa.String(length=200), nullable=True))
    op.add_column("cameras", sa.Column("legal_basis", sa.String(length=200), nullable=True))

"""Who holds an account, which of the three administrators it was, second factors, and trips to an identity provider.

Only adds: the release before runs on it. It knows no role "security": do not go back while such an account exists.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xueliang_central.store.metadata import UtcDateTime, UuidText

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("holder", sa.String(length=128), nullable=True))
    op.add_column("users", sa.Column("administered_as", sa.String(length=16), nullable=True))
    op.create_index("users_one_of_a_holder", "users", ["holder"], unique=True)
    users = sa.table("users", sa.column("role", sa.String), sa.column("administered_as", sa.String))
    were = users.c.role.in_(["admin", "auditor"])  # the system administrators and the audit administrators from now on
    op.execute(users.update().where(were).values(administered_as=users.c.role))
    _of_a_user(
        "second_factors",
        sa.Column("sealed_secret", sa.String(length=200), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("confirmed_at", UtcDateTime(), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        key=["user_id"],
    )
    _of_a_user(
        "recovery_codes", sa.Column("code_hash", sa.String(length=64), nullable=False), key=["user_id", "code_hash"]
    )
    _of_a_user(
        "second_steps",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("way", sa.String(length=16), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        key=["token_hash"],
    )
    op.create_index(op.f("ix_second_steps_user_id"), "second_steps", ["user_id"])
    op.create_index(op.f("ix_second_steps_expires_at"), "second_steps", ["expires_at"])
    op.create_table(
        "sign_on_trips",
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("browser_hash", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("verifier", sa.String(length=128), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_sign_on_trips")),
    )
    op.create_index(op.f("ix_sign_on_trips_expires_at"), "sign_on_trips", ["expires_at"])


def _of_a_user(name: str, *columns: sa.Column[object], key: list[str]) -> None:
    op.create_table(
        name,
        sa.Column("user_id", UuidText(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f(f"fk_{name}_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{name}")),
    )

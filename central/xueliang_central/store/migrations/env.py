"""Run by Alembic, with the connection that `store.migrating` hands over."""

from __future__ import annotations

from alembic import context

from xueliang_central.store.metadata import load_all_tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=load_all_tables(),
    transactional_ddl=True,
)
context.run_migrations()  # the transaction belongs to the caller

"""What every move asked by a person shares: repeated requests are answered, not repeated."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from xueliang_central.errors import MoveRefused
from xueliang_central.incidents.change import Change
from xueliang_central.incidents.tables import move_keys
from xueliang_central.rights.scope import Actor


async def seen_before(change: Change, actor: Actor, key: str | None, object_id: str, move: str) -> bool:
    """True when this actor's request with this key has been done already; else the key is noted.

    Call it with the object's lock held. Raises MoveRefused when the key was used for something else.
    """
    if key is None:
        return False
    dialect = postgresql if change.conn.dialect.name == "postgresql" else sqlite
    row = {"actor_id": actor.user_id, "idempotency_key": key, "object_id": object_id, "move": move, "at": change.now}
    # The lock is of one object: two requests for two of them may bring the same key at once, and one waits here.
    noted = await change.conn.execute(dialect.insert(move_keys).values(row).on_conflict_do_nothing())
    if noted.rowcount == 1:
        return False
    found = await change.conn.execute(
        select(move_keys.c.object_id, move_keys.c.move).where(
            move_keys.c.actor_id == actor.user_id, move_keys.c.idempotency_key == key
        )
    )
    if tuple(found.one()) != (object_id, move):
        raise MoveRefused("this idempotency_key was used for another request")
    return True

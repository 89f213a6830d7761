"""What every move asked by a person shares: repeated requests are answered, not repeated."""

from __future__ import annotations

from sqlalchemy import insert, select

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
    found = await change.conn.execute(
        select(move_keys).where(move_keys.c.actor_id == actor.user_id, move_keys.c.idempotency_key == key)
    )
    row = found.mappings().one_or_none()
    if row is not None:
        if (row["object_id"], row["move"]) != (object_id, move):
            raise MoveRefused("this idempotency_key was used for another request")
        return True
    await change.conn.execute(
        insert(move_keys).values(
            actor_id=actor.user_id, idempotency_key=key, object_id=object_id, move=move, at=change.now
        )
    )
    return False

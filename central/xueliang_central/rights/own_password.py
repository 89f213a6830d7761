"""A person changes the own password: the old one is asked, other sessions end, and the register of acts says so.

Wrong old passwords are counted as guesses are, apart from those at the sign-in: a session that somebody else has got
hold of is no place to guess from, and the owner's sign-in does not wait for it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import delete, select, update

from xueliang_central.audit import chain
from xueliang_central.errors import Conflict, PasswordRefused, Throttled, WrongOldPassword
from xueliang_central.rights import people
from xueliang_central.rights.acting import acting
from xueliang_central.rights.passwords import MAX_PASSWORD, MIN_PASSWORD, hash_password, password_fits
from xueliang_central.rights.scope import Actor
from xueliang_central.rights.tables import login_attempts, second_steps, sessions, users
from xueliang_central.rights.throttle import ACCOUNT, count_attempt, subject_hash
from xueliang_central.store.database import Database

LEAST_DIFFERENT: Final = 5  # letters, each counted once: "aaaaaaaaaa" and "1212121212" are no passwords


def problem_of(password: str, *, username: str, old: str) -> tuple[str, str] | None:
    """What is wrong with a new password: a code and words; None: nothing is (pure)."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        return "length", f"expected {MIN_PASSWORD} to {MAX_PASSWORD} characters, got {len(password)}"
    if password == old:
        return "same", "expected another password than the old one"
    if username.lower() in password.lower() and len(username) > 2:
        return "holds_name", "expected a password without the user name in it"
    if len(set(password)) < LEAST_DIFFERENT:
        return "too_simple", f"expected at least {LEAST_DIFFERENT} different characters"
    return None


async def change_own(database: Database, actor: Actor, *, old: str, new: str, keep: str, at: datetime) -> int:
    """Change it; how many other sessions ended.

    Args:
        keep: the hash of the session that asks, which goes on.

    Raises:
        PasswordRefused: what the new one must be and is not.
        WrongOldPassword: counted.
        Throttled: the old one was not judged.
        Conflict: it was changed elsewhere meanwhile.
    """
    problem = problem_of(new, username=actor.name, old=old)
    if problem is not None:
        raise PasswordRefused(problem[1], reason=problem[0])
    subject = subject_hash("own-password", actor.user_id)
    async with database.transaction() as conn:
        stored = (await conn.execute(select(users.c.password_hash).where(users.c.user_id == actor.user_id))).scalar()
        wait_s = await count_attempt(conn, {subject: ACCOUNT}, at)
    if wait_s:
        raise Throttled("wait before the next attempt", retry_after_s=wait_s)
    fits, ended = await password_fits(stored, old), 0
    hashed = await hash_password(new) if fits else ""
    async with acting(database, actor, changes=actor.user_id) as conn:
        if fits:
            now = await people.hold(conn, actor.user_id)
            if now is None or now.password_hash != stored:
                raise Conflict("the password was changed elsewhere in this moment")
            await conn.execute(update(users).where(users.c.user_id == actor.user_id).values(password_hash=hashed))
            await conn.execute(delete(login_attempts).where(login_attempts.c.subject_hash == subject))
            await conn.execute(delete(second_steps).where(second_steps.c.user_id == actor.user_id))
            others = sessions.c.user_id == actor.user_id, sessions.c.token_hash != keep
            ended = (await conn.execute(delete(sessions).where(*others))).rowcount
        detail = {"sessions_ended": ended} if fits else {"old": "wrong"}
        await chain.record(
            conn,
            actor=actor.name,
            action="password.changed" if fits else "password.refused",
            object_kind="user",
            object_id=actor.user_id,
            detail=detail,
            at=at,
        )
    if not fits:
        raise WrongOldPassword
    return ended

"""How a command reaches a running node: files in `data_dir/rules/`, each replaced whole.

    desired.json    an order, put there by the command
    taken.json      the order in the node's hands: it renames the file
    reported.json   the node's answer to the last order

Invariants
    - An order is taken once: taking is a rename, and so is withdrawing; whoever comes second finds nothing.
    - An order is in force or answered with the reason. One that was in the node's hands when it was killed is looked
      at again by the next start, unless its version is there already.
    - An order that has grown old (`VALID_S`) is refused: nobody expects it any more.
"""

from __future__ import annotations

import json
import os
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from xueliang_configs.cameras import CameraRules

VALID_S: Final = 60.0  # the command that gave it waits for 10 s, and then for 10 more
_READ_AT_MOST: Final = 16 << 20
MessageT = TypeVar("MessageT", bound=BaseModel)


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ViewAsked(_Message):
    """What to do with one view of a camera: learn it from what the camera shows, or renew what it is known by, moved
    with its zones."""

    camera_id: str
    view_id: str
    act: Literal["learn", "renew"]
    shift_xyn: tuple[float, float] = (0.0, 0.0)


class Order(_Message):
    """What a command asks for.

    Attributes:
        cameras: their new rules; None: what the settings file says now, for all cameras.
        views: done after, when no rules were refused.
        note, by: for the versions.
    """

    format: Literal[1] = 1
    order_id: str
    at: AwareDatetime
    cameras: tuple[CameraRules, ...] | None
    note: str = ""
    by: str = ""
    views: tuple[ViewAsked, ...] = ()


class CameraAnswer(_Message):
    """What became of one camera's part of an order. `version` is the one that runs after it."""

    camera_id: str
    outcome: Literal["applied", "unchanged", "refused", "view_taken"]
    version: int | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Answer(_Message):
    """The node's answer. `problems`: of the order as a whole."""

    format: Literal[1] = 1
    order_id: str
    at: AwareDatetime
    cameras: tuple[CameraAnswer, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def is_refused(self) -> bool:
        """True when something that was asked for is not in force."""
        return bool(self.problems) or any(one.outcome == "refused" for one in self.cameras)


def new_order(
    cameras: tuple[CameraRules, ...] | None,
    at: datetime,
    *,
    note: str = "",
    by: str = "",
    views: tuple[ViewAsked, ...] = (),
) -> Order:
    """With an id of its own."""
    order = Order(order_id=str(uuid.uuid4()), at=at, cameras=cameras, note=note, by=by)
    return order.model_copy(update={"views": views}) if views else order  # an older node does not know the field


class OrderFiles:
    """Both sides use it: the command and the node."""

    def __init__(self, folder: Path) -> None:
        self._desired, self._taken = folder / "desired.json", folder / "taken.json"
        self._reported = folder / "reported.json"

    # The command's side.

    def give(self, order: Order) -> None:
        """Raises OSError; FileExistsError when another order waits for the node."""
        left = _read(self._desired, Order)
        if isinstance(left, str) or (isinstance(left, Order) and is_old(left, order.at)):
            self._desired.unlink(missing_ok=True)  # of a command that was killed while no node ran
        part = self._desired.with_name(f"desired.{order.order_id}.part")
        try:
            _write(part, order)
            os.link(part, self._desired)  # unlike a rename it never replaces another command's order
        finally:
            part.unlink(missing_ok=True)

    def withdraw(self, order: Order) -> bool:
        """False: the node has it already, or it is another one."""
        mine = self._desired.with_name(f"desired.{order.order_id}.withdrawn")
        current = _read(self._desired, Order)
        if not isinstance(current, Order) or current.order_id != order.order_id:
            return False
        try:
            self._desired.rename(mine)
        except FileNotFoundError:
            return False
        mine.unlink(missing_ok=True)
        return True

    def answer(self, order_id: str) -> Answer | None:
        """None: there is none yet."""
        found = _read(self._reported, Answer)
        return found if isinstance(found, Answer) and found.order_id == order_id else None

    # The node's side.

    def take(self) -> Order | str | None:
        """The order that waits, or why it cannot be understood; None: there is none. Raises OSError."""
        if not self._taken.exists():
            try:
                self._desired.rename(self._taken)
            except FileNotFoundError:
                return None
        return _read(self._taken, Order)

    def finish(self, answer: Answer) -> None:
        """Answer the order that was taken, and let go of it. Raises OSError: it is to be answered again."""
        _write_over(self._reported, answer)
        self._taken.unlink(missing_ok=True)


def is_old(order: Order, at: datetime) -> bool:
    """True when nobody waits for it any more; also for one from the future, whose age nobody knows."""
    return abs(at - order.at) > timedelta(seconds=VALID_S)


def _read(path: Path, model: type[MessageT]) -> MessageT | str | None:
    """The message, why it is none, or None when there is no file."""
    try:
        with path.open("rb") as file:
            value: Any = json.loads(file.read(_READ_AT_MOST))
        return model.model_validate(value)
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except (ValueError, OSError) as error:
        return f"{type(error).__name__}: {error}"


def _write(path: Path, message: BaseModel) -> None:
    """A new file, on the disk when this returns, of whoever owns the folder: a command may be given by root."""
    folder = path.parent.stat()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(message.model_dump(mode="json", exclude_unset=True), ensure_ascii=False))
        file.flush()
        os.fsync(file.fileno())
        if os.geteuid() == 0:
            os.fchown(file.fileno(), folder.st_uid, folder.st_gid)


def _write_over(path: Path, message: BaseModel) -> None:
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    _write(part, message)
    part.replace(path)

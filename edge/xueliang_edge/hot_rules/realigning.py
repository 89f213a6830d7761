"""Zones that follow a camera which was nudged: proposed by the node, taken only when a person approves.

A proposal is a file, `data_dir/rules/proposals/CAMERA.VIEW.json`. It is there as long as the camera looks steadily
beside its place in that view, and gone when it no longer does or when it was approved. It holds all rules of the
camera, those of the view moved, and says which rules it was made from: to others it does not apply.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from xueliang_configs.cameras import CameraConfig, CameraRules
from xueliang_edge.background import write_atomically
from xueliang_edge.hot_rules.comparing import digest_of, hot_part

log = logging.getLogger(__name__)

FOLDER: Final = "proposals"
LEAST_SHIFT: Final = 0.01  # of the picture: below, nobody could draw the zones better
SAME_SHIFT: Final = 0.01  # what is proposed is not written anew for less
XY = tuple[float, float]


class Proposal(BaseModel):
    """Moved zones of one view.

    Attributes:
        shift_xyn: right and down, shares of the picture.
        digest: of the rules that it was made from.
        cameras_part: all rules of the camera, as `rules apply` takes them; None: it cannot be had, see `problems`.
        problems: which rules cannot be moved, and why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    camera_id: str
    view_id: str
    shift_xyn: XY
    digest: str
    at: AwareDatetime
    rules: tuple[str, ...]
    cameras_part: dict[str, Any] | None
    problems: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """For people."""
        right, down = self.shift_xyn
        said = f"{self.camera_id}: view {self.view_id} lies {abs(right):.1%} of the picture "
        said += f"{'right' if right >= 0 else 'left'} and {abs(down):.1%} {'down' if down >= 0 else 'up'} of its place"
        return f"{said}: {', '.join(self.rules) or 'no rules'}" + "".join(f"; {one}" for one in self.problems)


def propose(camera: CameraConfig, view_id: str, shift_xyn: XY, at: Any) -> Proposal:
    """The camera's rules with those of this view moved. Pure."""
    part = hot_part(camera).model_dump(mode="json", exclude_unset=True)
    moved, problems = [], []
    for rule in part["rules"]:
        if rule.get("view") != view_id:
            continue
        try:
            _move(rule, shift_xyn)
            moved.append(str(rule["rule_id"]))
        except ValueError as error:
            problems.append(f"rule {rule['rule_id']}: {error}: draw it anew")
    if not camera.told_apart:  # else nobody knows of which view it is
        try:
            _move_ground(part.get("ground") or {}, shift_xyn)
        except ValueError as error:
            problems.append(f"ground: {error}: find its points anew")
    if not problems:
        try:
            CameraRules.model_validate(deepcopy(part))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            problems.append(f"{'.'.join(map(str, first['loc']))}: {first['msg']}: draw it anew")
    return Proposal(
        camera_id=camera.camera_id,
        view_id=view_id,
        shift_xyn=shift_xyn,
        digest=digest_of(camera),
        at=at,
        rules=tuple(moved),
        cameras_part=None if problems else part,
        problems=tuple(problems),
    )


def _move(rule: dict[str, Any], shift: XY) -> None:
    """Everything of a written rule that is a place in the picture; a direction stays one. Raises ValueError."""
    if "zone" in rule:
        rule["zone"] = _polygon(rule["zone"], shift)
    if "line" in rule:
        rule["line"] = [_point(one, shift, "an end of its line") for one in rule["line"]]
    if rule.get("exclude_zones"):
        kept = [_clipped([_moved(one, shift) for one in zone]) for zone in rule["exclude_zones"]]
        rule["exclude_zones"] = [zone for zone in kept if len(zone) >= 3]
    _move_ground(rule.get("ground") or {}, shift)
    for place in ("near", "far"):
        if rule.get("heights"):
            height = rule["heights"][place]
            height["y"] = _point((0.5, height["y"]), (0.0, shift[1]), "a height of it")[1]


def _move_ground(ground: dict[str, Any], shift: XY) -> None:
    for pair in ground.get("points") or ():
        pair["picture"] = _point(pair["picture"], shift, "a point of its ground")
    if ground.get("rectangle"):
        corners = ground["rectangle"]["corners"]
        ground["rectangle"]["corners"] = [_point(one, shift, "a corner of its ground") for one in corners]


def _moved(point: Sequence[float], shift: XY) -> list[float]:
    return [round(point[0] + shift[0], 5), round(point[1] + shift[1], 5)]


def _point(point: Sequence[float], shift: XY, what: str) -> list[float]:
    moved = _moved(point, shift)
    if not all(0.0 <= value <= 1.0 for value in moved):
        raise ValueError(f"{what} leaves the picture")
    return moved


def _polygon(points: Sequence[Sequence[float]], shift: XY) -> list[list[float]]:
    clipped = _clipped([_moved(one, shift) for one in points])
    if len(clipped) < 3:
        raise ValueError("its zone leaves the picture")
    return clipped


def _clipped(points: list[list[float]]) -> list[list[float]]:
    """What of a polygon lies in the picture: cut along each of its four sides."""
    for axis, limit, sign in ((0, 0.0, 1), (0, 1.0, -1), (1, 0.0, 1), (1, 1.0, -1)):
        kept: list[list[float]] = []
        for one, other in zip(points, [*points[1:], *points[:1]], strict=True):
            inside, goes_in = (sign * (end[axis] - limit) >= 0 for end in (one, other))
            if inside:
                kept.append(one)
            if inside != goes_in:
                share = (limit - one[axis]) / (other[axis] - one[axis])
                cut = [round(a + share * (b - a), 5) for a, b in zip(one, other, strict=True)]
                cut[axis] = limit
                kept.append(cut)
        points = [one for index, one in enumerate(kept) if one != kept[index - 1]]
    return points


class ProposalFiles:
    """One process writes; any may read."""

    def __init__(self, rules_folder: Path) -> None:
        self._folder = rules_folder / FOLDER

    def all(self) -> Iterator[Proposal]:
        """By camera and view. Raises PermissionError."""
        for path in sorted(self._folder.glob("*.json")):
            try:
                yield Proposal.model_validate(json.loads(path.read_bytes()))
            except (ValueError, FileNotFoundError):
                log.warning("proposal not readable", extra={"path": path.name})

    def get(self, camera_id: str, view_id: str) -> Proposal | None:
        return next((one for one in self.all() if (one.camera_id, one.view_id) == (camera_id, view_id)), None)

    def write(self, one: Proposal) -> None:
        """Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = json.dumps(one.model_dump(mode="json"), ensure_ascii=False, indent=1)
        write_atomically(self._path(one.camera_id, one.view_id), text.encode())

    def remove(self, camera_id: str, view_id: str) -> None:
        """Raises OSError."""
        self._path(camera_id, view_id).unlink(missing_ok=True)

    def _path(self, camera_id: str, view_id: str) -> Path:
        return self._folder / f"{camera_id}.{view_id}.json"


class Proposing:
    """Keeps the proposals in step with what capture sees. Belongs to the thread that follows rules.

    Attributes:
        current: by camera and view. May be read by any thread.
    """

    def __init__(self, files: ProposalFiles) -> None:
        self.files = files
        self.current: dict[tuple[str, str], Proposal] = {}
        self._is_settling: set[tuple[str, str]] = set()  # renewed, and capture has not said so yet
        self._has_begun = False

    def forget_earlier(self) -> None:
        """Files of an earlier run, also of cameras that have no views any more; once. Raises OSError."""
        if not self._has_begun:
            for left in list(self.files.all()):
                self.files.remove(left.camera_id, left.view_id)
            self._has_begun = True

    def follow(self, camera: CameraConfig, shifts: Mapping[str, XY | None], at: Any) -> None:
        """`shifts`: by view_id, None where the camera looks at its place. Raises OSError."""
        for view_id, shift in shifts.items():
            key = (camera.camera_id, view_id)
            if shift is None or max(map(abs, shift)) < LEAST_SHIFT:
                self._is_settling.discard(key)
                self._withdraw(key)
            elif key not in self._is_settling and self._is_news(key, camera, shift):
                one = propose(camera, view_id, shift, at)
                self.files.write(one)
                self.current[key] = one
                log.warning("zones proposed", extra={"camera_id": camera.camera_id, "view_id": view_id})

    def approved(self, camera_id: str, view_id: str) -> None:
        """Its zones are in force. Raises OSError."""
        self._is_settling.add((camera_id, view_id))
        self._withdraw((camera_id, view_id))

    def _withdraw(self, key: tuple[str, str]) -> None:
        if key in self.current:
            self.files.remove(*key)
            del self.current[key]

    def _is_news(self, key: tuple[str, str], camera: CameraConfig, shift: XY) -> bool:
        now = self.current.get(key)
        return (
            now is None
            or now.digest != digest_of(camera)
            or max(abs(a - b) for a, b in zip(now.shift_xyn, shift, strict=True)) >= SAME_SHIFT
        )

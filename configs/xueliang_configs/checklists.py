"""What an operator looks at before judging, by hazard: short steps, shipped in Chinese and English.

A list helps whoever judges; it is never compulsory. What the policy file writes for a hazard takes the place of what is
shipped for it; an empty list means none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field

from xueliang_alerts.contract import Hazard
from xueliang_configs.values import Settings, like

MOST_STEPS: Final = 8  # more are not read
_StepId = Annotated[str, like(r"[a-z][a-z0-9_]{0,39}", "lower-case letters, digits and _, a letter first", "steam")]
_Line = Annotated[str, like(r"[^\x00-\x1f\x7f]{1,80}", "one line of 1 to 80 characters", "Steam, lamp or sunset?")]


class ChecklistStep(Settings):
    """One step of a hazard's checklist."""

    step_id: _StepId = Field(description="Stays the same when the words change: ticks are told by it.")
    zh: _Line = Field(description="What to look at or do, in Chinese.")
    en: _Line = Field(description="The same in English.")


def _steps(*written: tuple[str, str, str]) -> tuple[ChecklistStep, ...]:
    return tuple(ChecklistStep(step_id=step_id, zh=zh, en=en) for step_id, zh, en in written)


_WHO_IS_THERE = ("on_site", "现场是否有人可以先处置？", "Is somebody on site who can act first?")

SHIPPED: Final[Mapping[Hazard, tuple[ChecklistStep, ...]]] = {
    Hazard.FIRE_SMOKE: _steps(
        ("lookalike", "是否为水汽、灯光、夕阳、扬尘？", "Is it steam, a lamp, the sunset, dust?"),
        ("allowed_fire", "是否为报备的焚烧、炊烟或动火作业？", "Is it registered burning, cooking smoke or hot work?"),
        ("fire_service", "通知消防（119），说明位置和通道", "Call the fire service (119): where it is, which way in"),
        ("people", "周边是否有人员需要疏散？", "Are there people to be moved away?"),
        ("lane", "消防车通道是否畅通？", "Is the fire lane clear?"),
    ),
    Hazard.FIRE_LANE_OBSTRUCTION: _steps(
        (
            "service",
            "是否为消防车、救护车等应急车辆？",
            "Is it the fire engine itself, an ambulance, a service vehicle?",
        ),
        ("short_stop", "是否为环卫、快递等短时停留？", "Is it a refuse lorry or a delivery that leaves soon?"),
        ("width", "余下宽度能否通过消防车？", "Can a fire engine still pass?"),
        ("unit", "通知通道管理单位清除", "Tell the lane's managing unit to clear it"),
    ),
    Hazard.BLOCKED_EXIT: _steps(
        ("short_stop", "是否为正在装卸、很快移走？", "Is it being unloaded, and gone soon?"),
        ("inside", "场所内此时是否有人？", "Are people inside at this hour?"),
        ("other_exit", "是否还有其他畅通的出口？", "Is another exit free?"),
    ),
    Hazard.CROWD: _steps(
        ("event", "是否为已报备的活动、上下学或集市？", "Is it a registered event, school hours, a market?"),
        ("growing", "人数是否仍在增加？", "Is the number still growing?"),
        ("ways_out", "疏散方向是否畅通？", "Are the ways out free?"),
        _WHO_IS_THERE,
    ),
    Hazard.ILLEGAL_PARKING: _steps(
        ("service", "是否为应急或作业车辆？", "Is it an emergency or a works vehicle?"),
        ("short_stop", "是否为上下客、很快驶离？", "Is it setting somebody down, and gone soon?"),
    ),
    Hazard.INTRUSION: _steps(
        ("staff", "是否为工作人员或已报备作业？", "Is it staff, or registered work?"),
        ("danger", "是否有落水、触电、滚石等即时危险？", "Is there danger at once: water, current, falling rock?"),
        _WHO_IS_THERE,
    ),
    Hazard.EBIKE_INDOORS: _steps(
        ("lookalike", "是否为轮椅、婴儿车、自行车？", "Is it a wheelchair, a pram, a bicycle?"),
        ("charging", "是否在楼内充电？", "Is it being charged indoors?"),
    ),
    Hazard.WATER_LEVEL: _steps(
        ("lookalike", "是否为反光、洒水？", "Is it a reflection, or a street being sprinkled?"),
        ("underpass", "下穿道路、地下空间是否进水？", "Is water running into an underpass or a basement?"),
        ("close_road", "是否需要封路、断电？", "Must a road be closed, power be cut?"),
    ),
    Hazard.DEBRIS_ON_ROAD: _steps(
        ("lookalike", "是否为阴影、积水、井盖？", "Is it a shadow, a puddle, a cover?"),
        ("traffic", "是否影响通行，需要先示警？", "Is traffic in danger, and has to be warned first?"),
    ),
    Hazard.CAMERA_FAULT: _steps(
        ("works", "是否为已报备的停电、检修？", "Is it a registered power cut, or maintenance?"),
        ("blind", "该处隐患此时由谁看护？", "Who watches this place meanwhile?"),
    ),
    Hazard.GEO_HAZARD: _steps(
        ("station", "其他监测点或现场是否证实？", "Do other stations, or somebody on site, confirm it?"),
        ("people", "受威胁住户是否已通知撤离？", "Have those in its way been told to leave?"),
    ),
}


def steps_for(written: Mapping[Hazard, tuple[ChecklistStep, ...]], hazard: Hazard) -> tuple[ChecklistStep, ...]:
    """What the file says of this hazard, else what is shipped; empty: no list."""
    return written.get(hazard, SHIPPED.get(hazard, ()))

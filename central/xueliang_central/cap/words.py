"""What CAP calls our things: categories, severities, urgency, certainty, and the words for people, as tables (data).

docs/cap.md tells the same tables; a test holds the two together.
"""

from __future__ import annotations

from typing import Final

from xueliang_alerts.contract import Hazard, Severity
from xueliang_central.cap.deciding import Phase

CHINESE: Final = "zh-CN"
ENGLISH: Final = "en-US"

CATEGORY_OF: Final[dict[Hazard, str]] = {
    Hazard.FIRE_LANE_OBSTRUCTION: "Safety",
    Hazard.CROWD: "Safety",
    Hazard.FIRE_SMOKE: "Fire",
    Hazard.ILLEGAL_PARKING: "Transport",
    Hazard.BLOCKED_EXIT: "Safety",
    Hazard.INTRUSION: "Safety",  # the danger is the place, not the person
    Hazard.LINE_CROSSING: "Safety",
    Hazard.WRONG_WAY: "Transport",
    Hazard.EBIKE_INDOORS: "Safety",
    Hazard.WATER_LEVEL: "Met",  # CAP counts floods there
    Hazard.DEBRIS_ON_ROAD: "Transport",
    Hazard.GEO_HAZARD: "Geo",
    Hazard.CAMERA_FAULT: "Infra",  # never told (configs/sharing.py); here so that no hazard is without one
}
SEVERITY_OF: Final[dict[Severity, str]] = {
    Severity.RED: "Extreme",
    Severity.ORANGE: "Severe",
    Severity.YELLOW: "Moderate",
    Severity.BLUE: "Minor",
}
CERTAINTY_OF: Final[dict[Phase, str]] = {
    Phase.SEEN: "Likely",  # a camera's word alone
    Phase.CONFIRMED: "Observed",
    Phase.HANDLED: "Observed",
    Phase.ENDED: "Observed",
    Phase.WITHDRAWN: "Unlikely",
}
_KEEP_AWAY: Final = frozenset(
    {Hazard.FIRE_SMOKE, Hazard.CROWD, Hazard.WATER_LEVEL, Hazard.DEBRIS_ON_ROAD, Hazard.GEO_HAZARD}
)

EVENT_OF: Final[dict[Hazard, dict[str, str]]] = {
    Hazard.FIRE_LANE_OBSTRUCTION: {CHINESE: "消防车通道占用", ENGLISH: "Fire lane obstructed"},
    Hazard.CROWD: {CHINESE: "人员聚集", ENGLISH: "Dense crowd"},
    Hazard.FIRE_SMOKE: {CHINESE: "烟火", ENGLISH: "Fire or smoke"},
    Hazard.ILLEGAL_PARKING: {CHINESE: "违停", ENGLISH: "Illegal parking"},
    Hazard.BLOCKED_EXIT: {CHINESE: "安全出口堵塞", ENGLISH: "Emergency exit blocked"},
    Hazard.INTRUSION: {CHINESE: "危险区域入侵", ENGLISH: "Intrusion into a danger zone"},
    Hazard.LINE_CROSSING: {CHINESE: "越线", ENGLISH: "Line crossed"},
    Hazard.WRONG_WAY: {CHINESE: "逆行", ENGLISH: "Movement against the direction"},
    Hazard.EBIKE_INDOORS: {CHINESE: "电动车进楼", ENGLISH: "E-bike indoors"},
    Hazard.WATER_LEVEL: {CHINESE: "积水", ENGLISH: "Standing water"},
    Hazard.DEBRIS_ON_ROAD: {CHINESE: "路面异物", ENGLISH: "Debris on the road"},
    Hazard.GEO_HAZARD: {CHINESE: "地质灾害", ENGLISH: "Geological hazard"},
    Hazard.CAMERA_FAULT: {CHINESE: "设备异常", ENGLISH: "Camera fault"},
}
PHASE_WORDS: Final[dict[Phase, dict[str, str]]] = {
    Phase.SEEN: {CHINESE: "摄像机发现，待核实", ENGLISH: "seen by a camera, not judged yet"},
    Phase.CONFIRMED: {CHINESE: "已核实，正在处置", ENGLISH: "confirmed, being dealt with"},
    Phase.HANDLED: {CHINESE: "已处置，待确认", ENGLISH: "handled, not verified yet"},
    Phase.ENDED: {CHINESE: "已结束", ENGLISH: "ended"},
    Phase.WITHDRAWN: {CHINESE: "撤销", ENGLISH: "withdrawn"},
}
SEVERITY_WORDS: Final[dict[Severity, dict[str, str]]] = {
    Severity.RED: {CHINESE: "红色", ENGLISH: "red"},
    Severity.ORANGE: {CHINESE: "橙色", ENGLISH: "orange"},
    Severity.YELLOW: {CHINESE: "黄色", ENGLISH: "yellow"},
    Severity.BLUE: {CHINESE: "蓝色", ENGLISH: "blue"},
}
DRILL_WORDS: Final = {CHINESE: "【演练】", ENGLISH: "EXERCISE: "}
LEFT_AREA: Final = "left_area"  # told only to who does not see where it went
WITHDRAWN_NOTES: Final = {
    LEFT_AREA: "it has left this area and is told elsewhere",
    "false_alarm": "judged a false alarm",
    "permitted": "what was seen is permitted",
    "duplicate": "another message tells of it",
    "merged": "another message tells of it",
}


def urgency_of(phase: Phase, severity: Severity) -> str:
    """How soon whoever hears of it should act."""
    if phase in {Phase.ENDED, Phase.WITHDRAWN}:
        return "Past"
    return "Immediate" if severity <= Severity.ORANGE and phase is not Phase.HANDLED else "Expected"


def response_of(phase: Phase, hazard: Hazard) -> str:
    """What whoever hears of it should do."""
    if phase is Phase.ENDED:
        return "AllClear"
    if phase is Phase.WITHDRAWN:
        return "None"
    return "Avoid" if hazard in _KEEP_AWAY else "Monitor"

"""What hazards are called in Chinese: the words of the console, for notices and ledgers."""

from __future__ import annotations

from typing import Final

HAZARD_ZH: Final = {
    "fire_lane_obstruction": "消防车通道占用",
    "crowd": "人员聚集",
    "fire_smoke": "烟火",
    "illegal_parking": "违停",
    "blocked_exit": "安全出口堵塞",
    "intrusion": "区域入侵",
    "line_crossing": "越线",
    "wrong_way": "逆行",
    "ebike_indoors": "电动车进楼",
    "water_level": "积水",
    "debris_on_road": "路面异物",
    "camera_fault": "设备异常",
    "geo_hazard": "地质灾害",
}

"""Examples of the API's document: one for every JSON body that is taken, and answers of the main routes.

Names, numbers and places are made up. A test holds each against its schema and its model, and the answers against what
a centre really says.
"""

from __future__ import annotations

from typing import Any, Final

_INCIDENT_ID: Final = "5f0c2b7e-8a56-4f0e-9c1d-2b7a1f3e4d5c"
_OTHER_ID: Final = "c1d7a3f2-4b6e-4d1a-8f2b-9e0d7c6b5a43"
_AREA: Final = {
    "code": "370102003005007",
    "name": "泉城路第七网格",
    "name_en": "Quancheng Road Grid 7",
    "level": "grid",
}
_SHIFT: Final = {"kind": "weekly", "weekly": {"bands": [{"start": "08:00", "until": "18:00"}]}}
_KEY: Final = "4e1b9d0c-confirm-1"

# By the name of the body's schema.
BODIES: Final[dict[str, dict[str, Any]]] = {
    "HelpAnswerBody": {
        "version": 4,
        "reason_code": "tow_comes",
        "note": "拖车十分钟内到",
        "idempotency_key": "help-7f2c",
    },
    "TogetherBody": {
        "move": "false_alarm",
        "cases": [{"incident_id": _INCIDENT_ID, "version": 3}, {"incident_id": _OTHER_ID, "version": 2}],
        "reason_code": "shadow_or_light",
        "idempotency_key": "together-31c8",
    },
    "ReviewBody": {
        "answer": "false_alarm",
        "cases": [{"incident_id": _INCIDENT_ID, "version": 2}, {"incident_id": _OTHER_ID, "version": 2}],
        "reason_code": "shadow_or_light",
        "idempotency_key": "review-72aa",
    },
    "NewLiveRight": {"until": "2026-12-31T16:00:00Z", "why": "元旦保障期间看住消防通道"},
    "LiveBody": {"purpose": "incident", "note": "消防车能否从北门进入", "incident_id": _INCIDENT_ID},
    "SuspensionBody": {
        "version": 3,
        "reason_code": "no_access",
        "note": "院门上锁，业主说下午四点回来开门",
        "until": "2026-11-23T08:00:00Z",
        "idempotency_key": "suspend-1b7e",
    },
    "SuspensionDecisionBody": {
        "version": 4,
        "approve": True,
        "note": "同意，四点准时到场",
        "idempotency_key": "decide-77a0",
    },
    "SuspensionWithdrawalBody": {"version": 4, "note": "业主已提前回来", "idempotency_key": "withdraw-5c2d"},
    "LaterLimitBody": {
        "version": 3,
        "reason_code": "no_access",
        "note": "文化路正在施工，绕行约二十分钟",
        "until": "2026-11-23T08:20:00Z",
        "idempotency_key": "later-2c90",
    },
    "LaterLimitDecisionBody": {
        "version": 4,
        "approve": True,
        "note": "同意，绕行注意安全",
        "idempotency_key": "decide-4e17",
    },
    "LaterLimitWithdrawalBody": {"version": 4, "note": "已能通行", "idempotency_key": "withdraw-9b06"},
    "SupervisionReplyBody": {"text": "拖车已在路上，半小时内清走", "idempotency_key": "reply-8a41"},
    "ResumptionBody": {"version": 5, "note": "业主已提前回来", "idempotency_key": "resume-03fd"},
    "SupervisionBody": {
        "move": "supervise",
        "version": 3,
        "note": "同一通道本月第三次被占，请当日办结",
        "due": "2026-11-23T10:00:00Z",
        "idempotency_key": "supervise-c21a",
    },
    "MessageBody": {"text": "北门有人等您开门，电话已打", "idempotency_key": "message-7710"},
    "RaiseBody": {
        "version": 3,
        "severity": 1,
        "reason_code": "people_at_risk",
        "note": "学校 20 分钟后放学，消防车进不来",
        "idempotency_key": "raise-4b1e",
    },
    "UrgeBody": {"version": 3, "note": "学校 20 分钟后放学", "idempotency_key": "urge-90d1"},
    "TransferBody": {
        "version": 2,
        "worker_id": _OTHER_ID,
        "reason_code": "busy_elsewhere",
        "note": "王伟还在处理南街的任务",
        "idempotency_key": "transfer-51c0",
    },
    "Credentials": {"username": "wang", "password": "ten letters and more"},
    "Code": {"code": "492039"},
    "PhoneCode": {"code": "7Q4M-XK2D-0R9V-T6WB-HN3C-8JYE-5P"},
    "Enrol": {
        "code": "7Q4M-XK2D-0R9V-T6WB-HN3C-8JYE-5P",
        "key": {
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        },
        "signature": "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        "name": "Chrome · Android",
    },
    "WhichPhone": {"phone_id": _OTHER_ID},
    "Renewal": {
        "phone_id": _OTHER_ID,
        "challenge": "mF3oUe0aVnQm2dZp7rT1sYx4bKc9hLw6gJv8iNqEoA0",
        "signature": "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    },
    "OwnPassword": {"old": "ten letters and more", "new": "another one, also long"},
    "NewAccount": {
        "username": "li.na",
        "display_name": "李娜",
        "role": "operator",
        "area_code": "370102003",
        "password": "for the first sign-in",
    },
    "Change": {"disabled": True},
    "IncidentMoveBody": {"move": "confirm", "version": 1, "idempotency_key": _KEY},
    "MergeBody": {"version": 2, "other_id": _OTHER_ID, "other_version": 1, "reason_code": "same_thing"},
    "SplitBody": {"version": 3, "alert_ids": [_OTHER_ID], "reason_code": "another_thing"},
    "KeepBody": {
        "move": "keep_open",
        "version": 4,
        "deadline": "2026-12-20T16:00:00Z",
        "plan": {
            "level": "township",
            "holder": "张建国",
            "holder_unit": "泉城路街道办",
            "measures": "拆除围挡，恢复通道",
            "funds": "街道年度安全经费",
            "plan": "围挡拆除前由物业夜间值守，消防车改走北门",
        },
    },
    "TicksBody": {"steps": {"lookalike": True}, "idempotency_key": "4e1b9d0c-ticks-1"},
    "HandOverBody": {"words": "东巷工地夜间进料，物业已报备到 06:00"},
    "PresenceBody": {"begins": True},
    "ClaimsBody": {"opened": [_INCIDENT_ID], "left": [_OTHER_ID]},
    "HoldBody": {"why": "保险理赔取证，保留至结案"},
    "TaskMoveBody": {
        "move": "handled",
        "version": 3,
        "note": "车已驶离",
        "near": {"longitude": 117.02, "latitude": 36.66},
    },
    "SightingBody": {
        "hazard": "fire_lane_obstruction",
        "severity": 2,
        "longitude": 117.02,
        "latitude": 36.66,
        "text": "货车停在消防车通道上",
        "idempotency_key": "resident-20261127-17",
    },
    "SilenceBody": {
        "kind": "maintenance",
        "camera_id": "quancheng-east-01",
        "reason": "更换镜头",
        "ends_at": "2026-11-27T10:00:00Z",
    },
    "SilenceMoveBody": {"move": "end", "version": 1, "note": "镜头已换好"},
    "ProposalMoveBody": {"move": "accept", "version": 1},
    "LaneBody": {
        "version": 2,
        "name": "东巷消防车通道",
        "unit": "东巷物业",
        "duty_phone": "0531-8000 0119",
        "cameras": ["quancheng-east-01"],
        "why": "物业公司更换",
    },
    "UnitReplyBody": {"reply": "clears"},
    "GatewayReplyBody": {"text": "1 4821", "sender": "053180000119"},
    "ContactsBody": {"addresses": {"sms": "13800000001", "mail": "wang@city.example"}},
    "PersonRosterBody": {
        "version": 0,
        "shifts": [_SHIFT],
    },
    "AreaRosterBody": {"version": 0, "people": [{"user_id": _OTHER_ID, "shifts": [_SHIFT]}]},
    "RosterTableBody": {"text": "username,kind\nwang,always\n", "dry_run": True},
    "BacktestAsked": {
        "rule": {"rule_id": "lane", "hazard": "fire_lane_obstruction", "zones": ["lane"], "dwell_s": 60},
        "from_at": "2026-11-20T00:00:00Z",
        "to_at": "2026-11-27T00:00:00Z",
    },
    "LookBody": {"alert_id": _OTHER_ID},
    "SuggestionsAsked": {
        "rule": {"rule_id": "lane", "hazard": "fire_lane_obstruction", "zones": ["lane"], "dwell_s": 60},
        "from_at": "2026-11-20T00:00:00Z",
        "to_at": "2026-11-27T00:00:00Z",
    },
    "RulesDraft": {"settings": {"rules": []}},
    "RulesProposed": {"settings": {"rules": []}, "why": "镜头已移动，重新画区", "based_on": 3},
    "RulesMove": {"move": "approve", "note": "已核对画面"},
    "RollBack": {"version": 2, "based_on": 3, "why": "误报增多"},
    "ShadowRule": {"rule_id": "lane"},
    "PromotionAsked": {
        "items": [{"camera_id": "quancheng-east-01", "rule_ids": ["lane"]}],
        "why": "试运行一天，每天不到一条",
    },
    "RulesDecisions": {
        "items": [{"camera_id": "quancheng-east-01", "version": 4}, {"camera_id": "quancheng-east-02", "version": 2}],
        "move": "refuse",
        "note": "试运行不足一天，请再看",
    },
    "CopyDraft": {
        "source": "quancheng-east-01",
        "rule_ids": ["lane"],
        "cameras": ["quancheng-east-02", "quancheng-east-03"],
    },
    "RuleCopy": {
        "source": "quancheng-east-01",
        "rule_ids": ["lane"],
        "cameras": [
            {"camera_id": "quancheng-east-02", "based_on": 3},
            {"camera_id": "quancheng-east-03", "based_on": 1},
        ],
        "why": "东区统一，先在一路试行",
        "canary": {"cameras": ["quancheng-east-02"], "hours": 24, "promotes_itself": True},
    },
    "CopyMove": {"move": "approve", "note": "已核对差异"},
    "CopyTrialMove": {"move": "roll_back"},
    "LevelDraft": {"settings": {"fire_lane_obstruction": {"dwell_s": 90}}},
    "LevelProposed": {
        "settings": {"fire_lane_obstruction": {"dwell_s": 90}},
        "why": "外卖停车多，先在一成摄像机试行",
        "based_on": 1,
        "canary": {"share": 0.1, "hours": 24, "promotes_itself": True},
    },
    "LevelRollBack": {"version": 1, "based_on": 2, "why": "漏报增多"},
    "LevelMove": {"move": "approve", "note": "已核对试行结果"},
    "CanaryMove": {"move": "promote"},
    "ReleaseBody": {
        "purpose": "消防车通道占用监测",
        "legal_basis": "消防法第二十八条",
        "signed_on": "2026-11-20",
        "approved_view": "巷口通道，不含住户门窗",
        "view_approved_on": "2026-11-21",
        "review_by": "2027-11-20",
    },
    "WithdrawalBody": {"why": "摄像机转向，画面待重新批准"},
    "RowMoveBody": {
        "move": "confirm",
        "cases": [{"incident_id": _INCIDENT_ID, "version": 2}, {"incident_id": _OTHER_ID, "version": 1}],
        "idempotency_key": _KEY,
    },
}

_INCIDENT: Final[dict[str, Any]] = {
    "incident_id": _INCIDENT_ID,
    "number": "20261127-0042",
    "hazard": "fire_lane_obstruction",
    "severity": 2,
    "state": "dispatched",
    "drill": False,
    "area": {**_AREA, "path": [_AREA]},
    "place": {
        "camera_id": "quancheng-east-01",
        "camera_name": "泉城路东巷口",
        "longitude": 117.02,
        "latitude": 36.66,
        "place_class": "residential",
    },
    "misplaced": False,
    "opened_at": "2026-11-27T02:14:31.512Z",
    "updated_at": "2026-11-27T02:14:31.512Z",
    "began_at": "2026-11-27T02:13:30.000Z",
    "last_observed_at": "2026-11-27T02:14:31.000Z",
    "alert_count": 1,
    "camera_count": 1,
    "still_present": True,
    "reason": {"code": "lane_blocked", "text": "lane 41 % covered by truck for 61 s", "about": {"objects": "truck"}},
    "measures": {"share": {"value": 0.41, "unit": "share"}},
    "picture": None,
    "clock": {
        "kind": "take",
        "started_at": "2026-11-27T02:14:31.512Z",
        "due_at": "2026-11-27T02:17:31.512Z",
        "breached": False,
        "paused_at": None,
        "escalated_to": None,
        "counts": None,
    },
    "task": {
        "task_id": _OTHER_ID,
        "state": "offered",
        "worker": {"user_id": "7a9e1c34-2f5b-4d0e-a1b6-3c8d9f7e6a52", "display_name": "王伟"},
        "help": None,
        "checked_in": None,
        "handed_on_from": None,
        "version": 1,
    },
    "owner_level": "grid",
    "urged": None,
    "messages": None,
    "suspension": None,
    "later_limit": None,
    "supervision": None,
    "raised": None,
    "verified": False,
    "closed_at": None,
    "close_reason": None,
    "review": None,
    "version": 2,
    "merged_into": None,
    "camera_fault": None,
}

# By method and path: the answer of status 200.
ANSWERS: Final[dict[tuple[str, str], Any]] = {
    ("get", "/api/health"): {"state": "ready", "waiting_for": []},
    ("get", "/api/session"): {
        "user": {
            "user_id": "7a9e1c34-2f5b-4d0e-a1b6-3c8d9f7e6a52",
            "username": "wang",
            "display_name": "王伟",
            "role": "operator",
            "area": _AREA,
        },
        "second_factor": {"is_enrolled": False, "must_enrol": False, "recovery_codes_left": 0},
        "csrf": "b6f0…",
    },
    ("post", "/api/session/password"): {"sessions_ended": 1},
    ("get", "/api/areas"): {"areas": [{**_AREA, "parent": "370102003005", "geometry": None}]},
    ("get", "/api/cameras"): {
        "cameras": [
            {
                "camera_id": "quancheng-east-01",
                "name": "泉城路东巷口",
                "area_code": _AREA["code"],
                "longitude": 117.02,
                "latitude": 36.66,
                "place_class": "residential",
                "bearing_deg": 90.0,
                "field_of_view_deg": 68.0,
                "node_id": "edge-01",
                "located": "inside",
                "state": "streaming",
                "state_since": "2026-11-27T01:00:00.000Z",
                "achieved_gap_s": 2.0,
                "problem": None,
            }
        ]
    },
    ("get", "/api/incidents"): {"items": [_INCIDENT], "next_cursor": None},
    ("post", "/api/cameras/{camera_id}/still"): {
        "observed_at": "2026-11-27T02:20:30.412Z",
        "why": None,
        "preview": "/9j/4AAQSkZJRg…",
        "no_picture": None,
        "still_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "frame_size_wh": [1280, 720],
        "view_id": "gate",
        "views": [
            {"view_id": "gate", "name": "大门", "state": "known"},
            {"view_id": "yard", "name": "院内", "state": "no_reference"},
        ],
    },
    ("post", "/api/incidents/{incident_id}/look"): {
        "camera_id": "quancheng-east-01",
        "rule_id": "lane",
        "alert_id": _OTHER_ID,
        "observed_at": "2026-11-27T02:20:30.412Z",
        "says": "holds",
        "since": "2026-11-27T02:13:30.000Z",
        "has_alert": True,
        "measures": {"share": {"value": 0.41, "unit": "share"}},
        "why": None,
        "preview": "/9j/4AAQSkZJRg…",
        "no_picture": None,
        "still_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "frame_size_wh": [1280, 720],
    },
    ("get", "/api/unit-request"): {
        "lane": "东巷消防车通道",
        "unit": "东巷物业",
        "number": "20261127-0042",
        "hazard": "fire_lane_obstruction",
        "severity": 2,
        "drill": False,
        "place": {"camera_name": "泉城路东巷口", "longitude": 117.02, "latitude": 36.66},
        "area": {**_AREA, "path": [_AREA]},
        "opened_at": "2026-11-27T02:14:31.512Z",
        "still_present": True,
        "state": "told",
        "incident_state": "unit_told",
        "told_at": "2026-11-27T02:14:31.512Z",
        "reply_by": "2026-11-27T02:19:31.512Z",
        "clear_by": None,
        "ended_at": None,
        "replies": ["clears", "done", "cannot"],
    },
    ("post", "/api/unit-replies"): {"reply": "clears", "number": "20261127-0042", "state": "unit_clearing"},
}


def add_examples(described: dict[str, Any]) -> None:
    """Write them into the document.

    Raises:
        KeyError: an answer of a route that is not there.
    """
    for operations in described["paths"].values():
        for operation in operations.values():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            name = str(content.get("schema", {}).get("$ref", "")).rpartition("/")[2]
            if name in BODIES:
                content["example"] = BODIES[name]
    for (method, path), answer in ANSWERS.items():
        described["paths"][path][method]["responses"]["200"]["content"]["application/json"]["example"] = answer

"""What a notice says beyond the page (pure): what is asked, of which case, and a link to exactly it.

No picture, no place in words, no name of anybody: it leaves the house by other people's systems and stays on screens
that lock late. Who follows the link signs in first. Only a lane's managing unit is told the name of the lane, which is
its own, and follows a link that opens that request alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from xueliang_central.words import HAZARD_ZH

_KIND: Final = {
    "zh": {
        "task_offered": "新任务，请接单",
        "task_returned": "任务退回给您，请接单",
        "task_withdrawn": "任务已撤回，无需前往",
        "urged": "催办：请尽快处理",
        "task_handed_on": "任务已转交他人，无需前往",
        "task_moved": "任务已并入另一事件",
        "help_asked": "处置人员求助，请安排支援",
        "help_answered": "求助已回复，请查看谁来支援",
        "suspension_asked": "处置人员申请挂起，请审批",
        "suspension_approved": "挂起已批准",
        "suspension_refused": "挂起未批准，请继续处置",
        "suspension_lapsed": "挂起申请无人审批，已失效，请继续处置",
        "task_resumed": "挂起已结束，请继续处置",
        "later_limit_asked": "处置人员申请延时，请审批",
        "limit_moved": "延时已批准，请按新时限到场",
        "later_limit_refused": "延时未批准，请按原时限到场",
        "later_limit_lapsed": "延时申请无人审批，已失效，原时限不变",
        "message": "指挥中心发来消息",
        "supervised": "上级督办，请按期办结",
        "supervision_replied": "督办事件有回复",
        "supervision_closed": "督办事件已办结",
        "severity_raised": "事件级别已调高，请按新时限处理",
        "escalated": "处置超时，请督办",
        "deadline_near": "长期隐患整改期限将至",
        "unit_told": "贵单位管理的通道有隐患，请处置并回复",
        "canary_rolled_back": "规则试行越出范围，已自动退回",
        "canary_held": "规则试行期满，请决定是否推广",
    },
    "en": {
        "task_offered": "New task, please take it",
        "task_returned": "Your task is back, please take it",
        "task_withdrawn": "Task withdrawn, no need to go",
        "urged": "Reminder: please see to it now",
        "task_handed_on": "Task handed on to another person, no need to go",
        "task_moved": "Your task belongs to another incident now",
        "help_asked": "A worker asks for help, please send somebody",
        "help_answered": "Your call for help is answered: see who comes",
        "suspension_asked": "A worker asks to suspend a task, please decide",
        "suspension_approved": "Your task is suspended as asked",
        "suspension_refused": "The suspension was refused, please go on",
        "suspension_lapsed": "Nobody decided on the suspension in time, please go on",
        "task_resumed": "The suspension is over, please go on",
        "later_limit_asked": "A worker asks for a later limit, please decide",
        "limit_moved": "Your limit is later now, as asked",
        "later_limit_refused": "A later limit was refused, the limit stays",
        "later_limit_lapsed": "Nobody decided on a later limit in time, the limit stays",
        "message": "The command centre has written to you",
        "supervised": "A centre above supervises this, please finish by the date",
        "supervision_replied": "The centre below has replied to your supervision",
        "supervision_closed": "A case that you supervise is closed",
        "severity_raised": "A case is more severe now, please act by its new limits",
        "escalated": "A limit has passed, please see to it",
        "deadline_near": "The deadline of a hazard kept open is near",
        "unit_told": "A hazard in the lane that your unit keeps clear, please see to it and reply",
        "canary_rolled_back": "Rules on trial left their band and were rolled back",
        "canary_held": "Rules on trial have stayed in their band: please decide",
    },
}
_HAZARD: Final = {"zh": HAZARD_ZH}  # in English the names say it
_SEVERITY: Final = {
    "zh": {1: "一级（红）", 2: "二级（橙）", 3: "三级（黄）", 4: "四级（蓝）"},
    "en": {1: "severity 1 (red)", 2: "severity 2 (orange)", 3: "severity 3 (yellow)", 4: "severity 4 (blue)"},
}
# What a unit may answer by text or keypad; `units.replies_by_text` reads it.
_ANSWERS: Final = {
    "zh": "回复“1 {code}”自行清除，“2 {code}”无法处置，“3 {code}”已清除",
    "en": 'reply "1 {code}" we clear it, "2 {code}" we cannot, "3 {code}" done',
}
_DRILL: Final = {"zh": "【演练】", "en": "[DRILL] "}


@dataclass(frozen=True, slots=True)
class Said:
    """One message to one person.

    Attributes:
        key: the same at every try of this step: a target that keeps keys takes it once.
        values: what templates may fill in, without the address.
    """

    key: str
    address: str
    title: str
    text: str
    link: str
    values: Mapping[str, str]


def say(notice: Mapping[str, Any], step: int, address: str, *, is_worker: bool, origin: str, language: str) -> Said:
    """The message of one step of a notice (a row). `origin`: what browsers type, without a slash at the end."""
    link = link_of(notice, is_worker=is_worker, origin=origin)
    return _said(notice, step, address, link, language)


def say_to_unit(
    notice: Mapping[str, Any], step: int, address: str, link: str, *, code: str | None, language: str
) -> Said:
    """The message to a lane's duty phone: it names the lane, which is the unit's own, and how to reply."""
    more = [str(notice["params"]["lane"])]
    if code is not None:
        more.append(_ANSWERS[language].format(code=code))
    return _said(notice, step, address, link, language, *more)


def _said(notice: Mapping[str, Any], step: int, address: str, link: str, language: str, *more: str) -> Said:
    params = notice["params"]
    severity, kind, hazard = int(notice["severity"]), str(notice["kind"]), str(params.get("hazard", ""))
    drill = bool(params.get("drill"))
    number = str(params.get("number", ""))
    title = f"{_DRILL[language] if drill else ''}{_KIND[language].get(kind, kind)}"
    named = _HAZARD.get(language, {}).get(hazard, hazard.replace("_", " "))
    about = (number, named, _SEVERITY[language][severity], *more)
    comma = "，" if language == "zh" else ", "
    text = f"{title}{'：' if language == 'zh' else ': '}{comma.join(part for part in about if part)}"
    values = {
        "drill": "true" if drill else "false",
        "hazard": hazard,
        "key": key_of(notice["notice_id"], step),
        "kind": kind,
        "link": link,
        "number": number,
        "severity": str(severity),
        "text": text,
    }
    return Said(values["key"], address, title, text, link, values)


def key_of(notice_id: str, step: int) -> str:
    return f"{notice_id}-{step}"


def link_of(notice: Mapping[str, Any], *, is_worker: bool, origin: str) -> str:
    """Exactly its task on a worker's phone page; its incident at a desk, which has no phone page; what an area says
    for rules where a notice is of no incident."""
    if is_worker and notice["task_id"]:
        return f"{origin}/phone/tasks/{notice['task_id']}"
    if notice["incident_id"] is None and "copy_id" in notice["params"]:
        return f"{origin}/rules/copies"
    if notice["incident_id"] is None and "area_code" in notice["params"]:
        return f"{origin}/rule-levels/{notice['params']['area_code']}"
    return f"{origin}/incidents/{notice['incident_id']}"

/** Words of the side moves of a case at the desk. */
import { wordsOf } from "@/words";

const zh = {
  transfer: "转交",
  "transfer.title": "转交任务",
  "transfer.now": "现处置人员：{name}",
  "transfer.nobody": "现无处置人员",
  "transfer.to": "转交给",
  "transfer.recommended": "推荐",
  "transfer.who": "{area} · {duty} · 在办 {count} 件",
  "transfer.none": "{area}没有其他可派人员",
  "transfer.cut": "人员较多，仅列出前面的。",
  "transfer.failed": "没有读到人员名单，请重试。",
  "transfer.clocks": "接单、到场时限对新处置人员重新计时；事件总时长不变。",
  "duty.on_duty": "当班",
  "duty.off_duty": "下班",
  "duty.on_leave": "请假",
  cancel: "取消",
  done: "{move}：已完成",
  conflict: "任务刚刚有变化，请看清后再试。",
  refused: "没有成功：{why}",
  noAnswer: "中心没有回应，请再试一次。",
};

const en: Record<keyof typeof zh, string> = {
  transfer: "Hand on",
  "transfer.title": "Hand the task on",
  "transfer.now": "Has it now: {name}",
  "transfer.nobody": "Nobody has it now",
  "transfer.to": "To",
  "transfer.recommended": "recommended",
  "transfer.who": "{area} · {duty} · tasks in hand: {count}",
  "transfer.none": "Nobody else of {area} can be asked",
  "transfer.cut": "There are more people; only the first are listed.",
  "transfer.failed": "The list of people was not read; try again.",
  "transfer.clocks": "The limits to take and to arrive begin anew for that person; the case's own time goes on.",
  "duty.on_duty": "on duty",
  "duty.off_duty": "off duty",
  "duty.on_leave": "on leave",
  cancel: "Cancel",
  done: "{move}: done",
  conflict: "The task has just changed; look, then try again.",
  refused: "Not done: {why}",
  noAnswer: "The centre did not answer; try again.",
};

export const { t: a } = wordsOf(zh, en);

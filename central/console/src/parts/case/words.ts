/** Words of what a case is judged by beside its own facts: what was here before, and the steps of its hazard. */
import { wordsOf } from "@/words";

const zh = {
  "earlier.title": "此处以往（近 {days} 天，同类隐患）",
  "earlier.none": "此处近 {days} 天没有同类事件",
  "earlier.failed": "以往记录加载失败",
  "earlier.total": "共 {count} 起",
  "earlier.atLeast": "至少 {count} 起",
  "earlier.true": "属实 {count}",
  "earlier.false_alarm": "误报 {count}",
  "earlier.permitted": "已报备 {count}",
  "earlier.ended_by_itself": "自行恢复 {count}",
  "earlier.duplicate": "重复 {count}",
  "earlier.open": "未办结 {count}",
  "earlier.sameCamera": "本机位",
  "earlier.apart": "{camera}，相距 {metres} 米",
  "earlier.more": "显示最近 {count} 起",
  "checklist.title": "研判核对（可选，勾选会记入处置过程）",
  "checklist.failed": "勾选尚未记录",
  "who.title": "将派：",
  "who.unit": "先通知管理单位：{unit}。",
  "who.after": "未清除时将派：",
  "who.person": "{name}（{area}，{role}）",
  "who.asking": "正在查询可派人员…",
  "who.failed": "没有读到推荐人员，确认后仍按规则派发。",
};
const en: typeof zh = {
  "earlier.title": "Here before (last {days} days, same hazard)",
  "earlier.none": "Nothing of this hazard here in the last {days} days",
  "earlier.failed": "What was here before could not be loaded",
  "earlier.total": "{count} in all",
  "earlier.atLeast": "at least {count}",
  "earlier.true": "True {count}",
  "earlier.false_alarm": "False alarm {count}",
  "earlier.permitted": "Permitted {count}",
  "earlier.ended_by_itself": "Ended by itself {count}",
  "earlier.duplicate": "Duplicate {count}",
  "earlier.open": "Still open {count}",
  "earlier.sameCamera": "this camera",
  "earlier.apart": "{camera}, {metres} m away",
  "earlier.more": "Show the newest {count}",
  "checklist.title": "Checklist (optional; ticks go into the timeline)",
  "checklist.failed": "Ticks are not recorded yet",
  "who.title": "Would go: ",
  "who.unit": "The managing unit is told first: {unit}. ",
  "who.after": "If it does not clear: ",
  "who.person": "{name} ({area}, {role})",
  "who.asking": "Looking for who can go…",
  "who.failed": "Who would go was not read; confirming still sends whom the rules choose.",
};

export type CaseWord = keyof typeof zh;
export const { t: cw } = wordsOf<CaseWord>(zh, en);

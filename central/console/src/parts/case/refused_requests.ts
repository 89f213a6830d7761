/** Why the centre refused what two people decide, or what waits for it: in the language of the page, by its code. */
import { wordsOf } from "@/words";

const zh = {
  "why.urgent": "火情和特别重大事件不等待审批：请转派或求助。",
  "why.not_asked": "没有等待审批的申请：已审批、已撤回或已失效。",
  "why.asked_already": "已有一项申请在等待审批：请先审批或撤回。",
  "why.suspended": "任务已挂起：请先恢复处置。",
  "why.suspended_already": "任务已经挂起。",
  "why.no_limit": "没有正在计时的到场时限。",
  "why.limit_passed": "到场时限已过，不能再延长。",
  "why.moved_often": "该时限已延长到允许的次数，不能再延长。",
  "why.until": "所申请的时间已过，或超出允许的范围：请重新选择。",
  "why.second_person": "须由申请人和处置人以外的人审批。",
  "why.not_the_asker": "只有申请人可以撤回。",
};

const en: Record<keyof typeof zh, string> = {
  "why.urgent": "Fire and severity 1 wait for nobody: hand it on, or ask for help.",
  "why.not_asked": "No request waits: it was decided, taken back, or has lapsed.",
  "why.asked_already": "A request waits already: decide that, or take it back.",
  "why.suspended": "The task is suspended: resume it first.",
  "why.suspended_already": "The task is suspended already.",
  "why.no_limit": "No limit to arrive runs.",
  "why.limit_passed": "The limit to arrive has passed: it is not moved any more.",
  "why.moved_often": "This limit was moved as often as it may be.",
  "why.until": "The time asked for has passed, or is later than allowed: choose another.",
  "why.second_person": "Another person than who asked, or whose task it is, decides.",
  "why.not_the_asker": "Only who has asked takes it back.",
};

const { t } = wordsOf(zh, en);

/** `reason`: the centre's code; `detail`: its words, said where the code is not known. */
export function refusedText(reason: unknown, detail: string): string {
  const key = `why.${String(reason)}`;
  return key in zh ? t(key as keyof typeof zh) : detail;
}

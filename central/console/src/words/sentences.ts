/**
 * Sentences for what the edge and the centre say by code: reasons, timeline entries, why grouped and routed.
 * The English text that came along is the fallback for every code this version does not know.
 */
import type { Says } from "@/api/looks";
import type { CheckIn, Incident, Reason, Regrouping, Severity, TimelineEntry, Why } from "@/api/types";

import { measureText, objectsText } from "./facts";
import { areaName, isChinese, language, minuteText, momentText, span, t, tCode } from "./index";
import { lookText } from "./looks";
import { zh } from "./zh";

type Facts = (name: string, ...others: string[]) => string | null;

/** A fact by its name, from the measures first, then from what the reason is about. */
function factsOf(incident: Pick<Incident, "measures">, about: Record<string, unknown>): Facts {
  return (...names) => {
    for (const name of names) {
      const measure = incident.measures[name];
      if (measure) return measureText(measure, language.value);
      const said = about[name];
      if (said !== undefined && said !== null && said !== "") return String(said);
    }
    return null;
  };
}

function zoneWord(hazard: string): string {
  const key = `zone.${hazard}`;
  return key in zh ? t(key as "zone.other") : t("zone.other");
}

/** What a sentence is made of. `names`: what stands there; the measure of the same name is how many. */
interface Said {
  fact: Facts;
  names: string | null;
  hazard: string;
}

const SENTENCES: Record<string, (said: Said) => string> = {
  lane_blocked: (said) => laneSentence(said, false),
  lane_still_blocked: (said) => laneSentence(said, true),
  lane_clear: ({ hazard }) => (isChinese.value ? `${zoneWord(hazard)}已腾空` : `The ${zoneWord(hazard)} is clear`),
  crowd_reached: ({ fact }) => crowdSentence(fact, false),
  crowd_still: ({ fact }) => crowdSentence(fact, true),
  crowd_dispersed: () => (isChinese.value ? "人员已疏散" : "The crowd has dispersed"),
  intrusion_seen: plain("有人进入危险区域", "Somebody is in the danger zone", "count", "seconds"),
  intrusion_still: plain("危险区域内仍有人", "Still somebody in the danger zone", "count", "seconds"),
  intrusion_over: plain("危险区域已无人", "The danger zone is empty"),
  ebike_seen: plain("电动车进入楼内", "A two-wheeler is indoors", "count", "seconds"),
  ebike_still: plain("楼内仍有电动车", "A two-wheeler is still indoors", "count", "seconds"),
  ebike_over: plain("楼内已无电动车", "No two-wheeler indoors any more"),
  line_crossed: plain("有目标越线", "The line was crossed", "count"),
  line_crossed_again: plain("持续有目标越线", "The line is crossed again and again", "count"),
  line_quiet: plain("一段时间内无目标越线", "Nothing crosses the line any more"),
  wrong_way_seen: plain("有车辆逆行", "Something goes the wrong way", "distance", "seconds"),
  wrong_way_still: plain("仍有车辆逆行", "Something still goes the wrong way", "distance", "seconds"),
  wrong_way_over: plain("已无车辆逆行", "Nothing goes the wrong way any more"),
  water_seen: plain("疑似积水", "What may be standing water", "share", "seconds"),
  water_still: plain("积水仍未消退", "The water still stands", "share", "seconds"),
  water_gone: plain("积水已消退", "The place looks as always"),
  debris_seen: plain("路面有异物", "Something lies on the road", "share", "seconds"),
  debris_still: plain("路面仍有异物", "Something still lies on the road", "share", "seconds"),
  debris_gone: plain("路面异物已清除", "The road looks as always"),
  fire_seen: plain("发现烟火", "Flame or smoke", "seconds"),
  fire_still: plain("烟火仍在", "Still flame or smoke", "seconds"),
  fire_gone: plain("已看不到烟火", "No flame or smoke any more"),
  camera_offline: ({ fact }) => {
    const lasting = fact("seconds", "offline_s", "age_s");
    if (isChinese.value) return lasting ? `摄像机离线，已 ${lasting} 没有画面` : "摄像机离线，没有画面";
    return lasting ? `Camera offline: no picture for ${lasting}` : "Camera offline: no picture";
  },
  camera_frozen: plain("摄像机画面冻结", "The camera's picture is frozen", "seconds"),
  camera_black: plain("摄像机画面全黑", "The camera's view is black", "share", "seconds"),
  camera_over_exposed: plain("摄像机画面过曝", "The camera's view is over-exposed", "share", "seconds"),
  camera_defocused: plain("摄像机失焦，疑似人为", "The camera is out of focus, maybe tampered with", "share", "seconds"),
  camera_covered: plain("摄像机被遮挡，疑似人为", "The camera is covered, maybe tampered with", "share", "seconds"),
  camera_moved: plain("摄像机被移动，疑似人为", "The camera was moved, maybe tampered with", "seconds"),
  camera_view_back: plain("摄像机画面已恢复", "The camera's view is good again"),
  camera_back: () => (isChinese.value ? "摄像机已恢复" : "The camera is back"),
  rule_changed: () => (isChinese.value ? "规则已修改，本次观察结束（不代表现场恢复）" : "The rule was changed; this is not a clear"),
  rule_removed: () => (isChinese.value ? "规则已移除，本次观察结束（不代表现场恢复）" : "The rule was removed; this is not a clear"),
  node_stopped: () => (isChinese.value ? "边缘节点停止，现场情况未知" : "The node stopped; the place is unknown"),
  view_lost: () => (isChinese.value ? "画面丢失，现场情况未知" : "The view was lost; the place is unknown"),
};

/** What was seen, and the facts that are known of it. */
function plain(chinese: string, english: string, ...facts: string[]): (said: Said) => string {
  return ({ fact, names }) => {
    const known = facts.map((name) => fact(name)).filter((text) => text !== null);
    const what = isChinese.value ? chinese : english;
    const whom = names ? (isChinese.value ? `（${objectsText(names, "zh")}）` : ` (${names})`) : "";
    return [`${what}${whom}`, ...known].join(isChinese.value ? "，" : ", ");
  };
}

function laneSentence({ fact, names, hazard }: Said, still: boolean): string {
  const what = names;
  const share = fact("share", "cover", "covered_share");
  const lasting = fact("seconds", "standing_s", "dwell_s");
  if (isChinese.value) {
    const who = what ? objectsText(what, "zh") : "有物体";
    const parts = [`${who}${still ? "仍" : ""}占用${zoneWord(hazard)}`];
    if (share) parts.push(`遮占 ${share}`);
    if (lasting) parts.push(`已停留 ${lasting}`);
    return parts.join("，");
  }
  const parts = [`${capital(what ?? "something")} ${still ? "still stands" : "stands"} in the ${zoneWord(hazard)}`];
  if (share) parts.push(`${share} covered`);
  if (lasting) parts.push(`for ${lasting}`);
  return parts.join(", ");
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function crowdSentence(fact: Facts, still: boolean): string {
  const count = fact("count", "people", "persons");
  const limit = fact("limit", "raise_at_count", "threshold");
  const lasting = fact("seconds", "dwell_s");
  const density = fact("density");
  if (isChinese.value) {
    const parts = [`区域内${still ? "仍" : ""}有 ${withUnit(count, "人")}`];
    if (density) parts.push(`密度 ${density}`);
    if (limit) parts.push(`达到上限 ${withUnit(limit, "人")}`);
    if (lasting) parts.push(`已持续 ${lasting}`);
    return parts.join("，");
  }
  const parts = [`${count ?? "Many"} people ${still ? "still " : ""}in the zone`.replace("people people", "people")];
  if (density) parts.push(density);
  if (limit) parts.push(`limit ${limit}`);
  if (lasting) parts.push(`for ${lasting}`);
  return parts.join(", ");
}

function withUnit(value: string | null, unit: string): string {
  if (!value) return `多${unit}`;
  return /^[\d.]+$/.test(value) ? `${value}${unit}` : value;
}

/** A reason in words; the incident gives the numbers and the hazard. */
export function reasonText(reason: Reason, incident: Pick<Incident, "hazard" | "measures">): string {
  const build = SENTENCES[reason.code];
  if (!build) return reason.text;
  return build({
    fact: factsOf(incident, reason.about),
    names: reason.about.objects ?? null,
    hazard: incident.hazard,
  });
}

const FOLDED: Record<string, [string, string]> = {
  first_here: ["此处没有同类未办结事件，新建事件", "no open incident of this hazard here: a new one"],
  same_camera: ["与事件 {number} 同一摄像机、同类隐患，归并为一起", "same camera and hazard as {number}"],
  near_and_soon: ["距事件 {number} 仅 {distance_m} 米且时间相近，归并为一起", "{distance_m} m from {number}, at about the same time"],
  back_within_window: ["办结后短时间内再次出现，重新打开事件 {number}", "raised again soon after closing: {number} reopened"],
  held: ["本区县告警过多且尚未确认，归入合并事件，计数不漏", "not confirmed yet, and the county has more alerts than it can judge: held in a collective incident"],
  storm: ["本区县多处同时出现同类告警，归入一起群发事件", "many places of this hazard in the county at once: one incident for all"],
  node_down: ["节点 {node_id} 的多路摄像机同时离线，归为一起节点事件", "cameras of {node_id} failed together: the node, not the cameras"],
  node_away: ["节点 {node_id} 自身离线，其摄像机状态未知，归为一起节点事件", "{node_id} is away itself: no camera of it can be seen"],
  still_offline: ["节点 {node_id} 恢复后 {s} 秒仍离线，单独成案", "still offline {s} s after {node_id} was back: an incident of its own"],
  more_cameras: ["{cameras} 路摄像机同时看到，单独成案", "seen by {cameras} cameras at once: an incident of its own"],
  flapping: ["{window_s} 秒内反复告警 {raised} 次，单独成案，只提示一次", "raised {raised} times in {window_s} s: flapping, shown once"],
  outlasted: ["已持续 {there_s} 秒，单独成案", "there for {there_s} s: an incident of its own"],
  severity: ["级别升至最高，单独成案", "its severity has risen to 1: an incident of its own"],
  told_same: ["上报人认出是事件 {number}，归并为一起", "whoever reported it recognised {number}"],
  ended_before_known: ["收到时已结束，仅作记录，不派人", "over before it was known: recorded, nobody sent"],
};

const ROUTED: Record<string, [string, string]> = {
  assigned: ["按摄像机登记的网格派发", "by the grid assigned to the camera"],
  polygon: ["按摄像机坐标落入的区域派发", "by the area that holds the camera's position"],
  position: ["摄像机未登记，按上报坐标派发", "the camera is not registered: by the position it sent"],
  reported_place: ["按上报位置派发", "by the place that was reported"],
  not_registered: ["摄像机未登记且无坐标，归到上一级区域", "not registered and without a position: one level up"],
};

const LET_OUT: Record<string, [string, string]> = {
  severity_breaks_through: ["级别升至最高，突破{owner}的静默（{reason}）", "its severity has risen to 1: it breaks through the silence of {owner} ({reason})"],
  no_longer_meant: ["已不在{owner}的静默范围内（{reason}）", "the silence of {owner} does not mean it any more ({reason})"],
  silence_over: ["{owner}的静默已结束（{reason}），隐患仍在", "the silence of {owner} is over ({reason}), and it is still there"],
  fault_over: ["摄像机故障已解除，隐患仍在", "the camera sees again, and it is still there"],
  place_is_open: ["此处已有未办结事件，转入该事件", "an incident is open at its place: it belongs there"],
};

/** Who was asked or told, and who was passed over before: `dispatch/recommending.py`, `dispatch/telling.py`. */
const ASKED: Record<string, [string, string]> = {
  serves_here: ["{area}当班，在办 {in_hand} 件", "on duty in {area}, tasks in hand: {in_hand}"],
  neighbour_on_duty: ["由相邻的{area}当班人员处置，在办 {in_hand} 件", "the worker on duty in {area} next to it is asked, tasks in hand: {in_hand}"],
  transferred: ["由值班员指定{area}人员，在办 {in_hand} 件", "chosen by hand: {area}, tasks in hand: {in_hand}"],
  level_up: ["由上级{area}当班人员处置，在办 {in_hand} 件", "whoever is on duty in {area} above is asked, tasks in hand: {in_hand}"],
  nobody_on_duty: ["各级均无人当班，仍通知{area}人员", "nobody is on duty at any level: somebody of {area} is asked off duty"],
  nobody_serves: ["此处及各级均无可派人员", "nobody serves this place or a level above"],
  all_off_duty: ["{area}无人当班（下班 {off_duty} 人，请假 {on_leave} 人）", "nobody of {area} is on duty ({off_duty} off duty, {on_leave} on leave)"],
  nobody_here: ["{area}无可派人员", "nobody of {area} can be asked"],
  no_neighbour_on_duty: ["相邻 {neighbours} 个网格均无可派人员", "nobody of the {neighbours} grids next to it can be asked"],
  desk_unstaffed: ["下级值班台无人当班，直接报{area}", "nobody is on duty at the desks below: {area} is told at once"],
  desk_silent: ["下级席位无人值守，直接报{area}", "nobody is at the desks below: {area} is told at once"],
  no_desk_heard: ["各级席位均无人值守，仍送{area}", "nobody is at any desk: {area} is told all the same"],
  no_desk_on_duty: ["各级值班台均无人当班，仍通知{area}", "no desk above is on duty: {area} is told off duty"],
};

function whyText(why: Why, table: Record<string, [string, string]>): string {
  if (!why) return t("app.none");
  if (typeof why === "string") return why;
  const known = table[why.code];
  if (!known) return why.text ?? why.code;
  const about: Record<string, unknown> = { ...why.about, ...why.params };
  const text = known[isChinese.value ? 0 : 1];
  const said = text.replace(/\{(\w+)\}/g, (_, name: string) => numberText(about[name]));
  return typeof about.by_way_of === "string" ? said + t("why.byWayOf", { number: about.by_way_of }) : said;
}

function numberText(value: unknown): string {
  return typeof value === "number" ? String(Math.round(value)) : String(value ?? "—");
}

export const whyFoldedText = (why: Why): string => whyText(why, FOLDED);
const whyLetOutText = (why: Why): string => whyText(why, LET_OUT);

/** When somebody under way has told the own position, and how far from here that was at most, by a press; of what is kept, only that it was told; empty: nothing told, or too long ago. */
function lastCheckInText(told: unknown): string {
  if (told === true) return t("why.hasCheckedIn");
  if (typeof told !== "object" || told === null) return "";
  const { age_s, camera_name, apart_m } = told as { age_s: number; camera_name: string | null; apart_m: number | null };
  const place = camera_name === null ? t("why.anotherPlace") : isChinese.value ? `“${camera_name}”` : camera_name;
  const words = { ago: span(Math.max(60, age_s)), place, far: apart_m ?? 0 };
  return t(apart_m === null ? "why.checkedIn" : "why.checkedInNear", words);
}

/** Each area that was passed over, then who was asked or told. */
export function whyAskedText(why: Why): string {
  if (!why || typeof why === "string") return whyText(why, ASKED);
  const about = why.about ?? {};
  const area = isChinese.value ? about.area_name : (about.area_name_en ?? about.area_name);
  const said = whyText({ ...why, about: { ...about, area } }, ASKED) + lastCheckInText(about.check_in);
  return [...(why.steps ?? []).map(whyAskedText), said].join(isChinese.value ? "；" : "; ");
}

/** Within which radius and time the alert was compared; empty where nothing was near enough to compare with. */
export function whyLimitsText(why: Why): string {
  const about = typeof why === "object" && why !== null ? (why.about ?? {}) : {};
  if (typeof about.radius_m !== "number" || typeof about.window_s !== "number") return "";
  return t("why.limits", { radius: Math.round(about.radius_m), window: span(about.window_s) });
}

/** Who moved an alert, when, from where, and for which reason. */
export function movedText(moved: Regrouping, nowMs: number): string {
  const what = t(`why.moved.${moved.kind}`, { by: moved.by, at: momentText(moved.at, nowMs), from: moved.from.number });
  const reason = moved.reason_code ? tCode("reasonCode", moved.reason_code) : null;
  return [what, reason, moved.note ? `“${moved.note}”` : null].filter((part) => part !== null).join(" · ");
}

/** Why a merge or a split was refused, in the language of the page where its code is known. */
export function refusalText(why: { code?: string; text: string }): string {
  const key = `refusal.${why.code}`;
  return key in zh ? t(key as "refusal.itself") : why.text;
}

/** That the camera sees wrongly, and how long after the case had opened that was told. */
export function cameraFaultText(fault: NonNullable<Incident["camera_fault"]>): string {
  if (fault.told_after_s === null) return t("case.cameraFault");
  return t("case.cameraFaultLater", { span: span(Math.max(1, Math.round(fault.told_after_s))) });
}

export const whyRoutedText = (why: Why): string => whyText(why, ROUTED);

const TIMELINE: Record<string, [string, string]> = {
  opened: ["发现隐患，生成事件", "Incident opened"],
  alert_folded: ["归并一条告警", "Alert grouped in"],
  alert_ended: ["观察中断，现场情况未知", "Observation ended; the place is unknown"],
  alert_updated: ["告警更新", "Alert updated"],
  severity_raised: ["级别升高", "Severity raised"],
  limits_by_severity: ["按新级别收紧时限", "Limits of the new severity"],
  limits_by_calendar: ["工作日历已变更，按新日历重新计时", "The working calendar has changed: limits count by the new one"],
  alerts_left: ["告警已转入另一事件", "Alerts left for another incident"],
  alerts_taken_over: ["转入另一事件中的告警", "Alerts taken over from another incident"],
  let_out: ["静默中的告警已转出", "A silenced alert was let out"],
  camera_faulty: ["摄像机画面异常，请谨慎研判", "Its camera sees wrongly: judge with care"],
  dealt: ["送达席位", "Dealt to a seat"],
  let_through: ["签批前暂存的告警已转入", "An alert held until its camera was released"],
  checklist: ["研判核对", "Checklist"],
  confirmed: ["研判：确认属实", "Judged: confirmed"],
  dispatched: ["派发任务", "Dispatched"],
  unit_told: ["先告知通道管理单位", "The lane's managing unit told first"],
  unit_not_told: ["未告知管理单位", "The managing unit was not told"],
  unit_clears: ["单位回复：自行清除", "The unit: we clear it ourselves"],
  unit_done: ["单位回复：已清除", "The unit: done"],
  unit_cannot: ["单位回复：无法处置", "The unit: we cannot"],
  unit_given_up: ["不再等待管理单位", "The unit is not waited for any longer"],
  task_offered: ["通知处置人员", "Offered to a worker"],
  urged: ["催办", "Urged"],
  message: ["消息", "Message"],
  suspension_asked: ["申请挂起", "Asked to suspend"],
  suspended: ["挂起已批准", "Suspended"],
  suspension_refused: ["挂起未批准", "Suspension refused"],
  suspension_lapsed: ["挂起申请无人审批，已失效", "Nobody decided on the suspension in time"],
  suspension_over: ["挂起随之结束", "The suspension ended with it"],
  resumed: ["恢复处置，时限继续", "Resumed: the limits go on"],
  later_limit_asked: ["申请延长到场时限", "Asked for a later limit"],
  limit_moved: ["到场时限已延长", "Limit moved"],
  later_limit_refused: ["延时未批准", "A later limit refused"],
  later_limit_taken_back: ["延时申请已撤回", "Request of a later limit taken back"],
  later_limit_lapsed: ["延时申请无人审批，已失效", "Nobody decided on the later limit in time"],
  later_limit_over: ["延时申请随之结束", "The request of a later limit ended with it"],
  supervised: ["上级督办", "Supervised by a centre above"],
  supervision_replied: ["回复上级督办", "Replied to the supervision"],
  suspension_taken_back: ["挂起申请已撤回", "Request to suspend taken back"],
  supervision_ended: ["督办结束", "Supervision ended"],
  transferred: ["任务转交", "Task handed on"],
  task_withdrawn: ["任务撤回", "Task withdrawn"],
  task_returned: ["任务退回原处置人员", "Task returned to its worker"],
  escalated: ["督办升级", "Escalated"],
  notified: ["已通知", "Notified"],
  limit_passed: ["超过时限", "Limit passed"],
  taken: ["接单", "Taken"],
  arrived: ["到场", "Arrived"],
  handled: ["处置完成", "Handled"],
  checked_in: ["位置签到", "Checked in by position"],
  help_asked: ["现场求助", "Asked for help"],
  help_untold: ["没有可通知的值班台：请电话联系", "No desk could be told: phone one"],
  help_answered: ["求助已回复", "Call for help answered"],
  refused: ["无法接单，已退回", "Refused"],
  returned: ["无法处置，已退回", "Given back"],
  seen_clear: ["摄像机看到隐患已消失", "Seen clear by the camera"],
  verified: ["同机核查通过", "Verified by the same camera"],
  closed: ["办结", "Closed"],
  kept_open: ["列入长期挂牌", "Kept open with a plan"],
  replanned: ["调整责任与方案", "Plan changed"],
  followed_up: ["跟踪督办", "Followed up"],
  deadline_near: ["期限将至，已提醒", "Reminded: the deadline is near"],
  extension_asked: ["申请延期", "Extension asked for"],
  extended: ["同意延期", "Deadline extended"],
  extension_refused: ["不同意延期", "Extension refused"],
  merge: ["另一事件并入", "Another incident merged in"],
  merged: ["已并入另一事件", "Merged into another incident"],
  split: ["拆出告警", "Alerts split off"],
  split_off: ["从另一事件拆出", "Split off another incident"],
  given_back: ["合并已撤销，重新打开", "Merge undone: open again"],
  task_came_along: ["任务随之转入", "The task came along"],
  task_went_back: ["任务随之退回，等待研判", "The task went back; waits for a judgement"],
  reopened: ["重新打开", "Reopened"],
  reviewed: ["自行恢复后复核", "Reviewed after it ended by itself"],
  looked: ["让摄像机当场查看", "Camera asked to look"],
  looked_again: ["处置后摄像机复看", "Camera looked again after “handled”"],
  reported: ["网格员上报，附照片或录音", "Reported by a worker, with photos or voice notes"],
  picture_received: ["现场画面已收到", "Picture received"],
  photo_received: ["处置照片已收到", "Photo received"],
  to_check: ["等待人工核查", "Waiting for a check by hand"],
  ended_before_known: ["收到时已结束，仅作记录", "Over before it was known: recorded only"],
};

/** "✓ Is it steam? · ↺ Call the fire service": ticked, and taken back. */
function ticksText(steps: unknown): string {
  if (!Array.isArray(steps)) return "";
  return (steps as { zh: string; en: string; done: boolean }[])
    .map((step) => `${step.done ? "✓" : "↺"} ${isChinese.value ? step.zh : step.en}`)
    .join(" · ");
}

export function timelineTitle(entry: TimelineEntry): string {
  const known = TIMELINE[entry.kind];
  return known ? known[isChinese.value ? 0 : 1] : entry.kind.replaceAll("_", " ");
}

const UNTIL = new Set(["suspension_asked", "suspended", "later_limit_asked", "limit_moved", "supervised"]);

/** What the entry adds in detail: level told, reason, note, camera; empty when there is nothing to add. */
export function timelineDetail(entry: TimelineEntry, incident: Pick<Incident, "hazard">): string {
  const { params } = entry;
  const parts: string[] = [];
  const text = (name: string): string | null => (typeof params[name] === "string" ? (params[name] as string) : null);
  const figure = (name: string): number | undefined => (typeof params[name] === "number" ? (params[name] as number) : undefined);
  if (entry.kind === "looked_again" && text("not_asked")) return t("told.notAsked");
  if (entry.kind === "looked" || entry.kind === "looked_again") {
    return lookText({ says: (text("says") ?? "unclear") as Says, why: text("cannot_see"), share: figure("share"), count: figure("count"), unit: text("unit") ?? undefined });
  }
  const level = text("level") ?? text("to_level") ?? text("escalated_to");
  const kind = text("clock") ?? text("limit") ?? text("kind");
  if (kind && ["judge", "take", "arrive", "check", "deadline", "oversee"].includes(kind)) parts.push(t("clock.over", { kind: tCode("clock", kind) }));
  const area = text("area_name");
  if (area) parts.push(isChinese.value ? area : (text("area_name_en") ?? area));
  if (level) parts.push(tCode("level", level));
  if (entry.kind === "severity_raised" && typeof params.severity === "number") {
    parts.push(tCode("severity.short", String(params.severity)));
  }
  if ((entry.kind === "limits_by_severity" || entry.kind === "limits_by_calendar") && params.due && typeof params.due === "object") {
    const due = Object.entries(params.due as Record<string, string>);
    parts.push(...due.map(([clock, moment]) => `${tCode("clock", clock)} ${t("clock.due", { at: momentText(moment, Date.parse(entry.at)) })}`));
  }
  const number = text("number");
  if (number && "other_id" in params) parts.push(number);
  if (typeof params.alerts === "number") parts.push(t("count.alerts", { count: params.alerts }));
  if (entry.kind === "checklist") parts.push(ticksText(params.steps));
  if (entry.kind === "reviewed") parts.push(tCode("review", text("answer")));
  const worker = text("worker") ?? text("worker_name");
  if (worker) parts.push(worker);
  if (entry.kind === "urged" && figure("count")) parts.push(isChinese.value ? `第 ${figure("count")} 次` : `no. ${figure("count")}`);
  const from = text("from");
  if (from && entry.kind === "transferred") parts.push(isChinese.value ? `原处置人员：${from}` : `from ${from}`);
  if (entry.kind === "let_out") parts.push(whyLetOutText(params.why as Why));
  const seat = text("seat");
  if (seat && entry.kind === "dealt") parts.push(seat);
  if (params.back === true) parts.push(isChinese.value ? "席位恢复值守，队列退回" : "the seat is staffed again: back to it");
  if (["task_offered", "escalated", "dealt"].includes(entry.kind) && params.why) parts.push(whyAskedText(params.why as Why));
  const why = text("why");
  if (why && entry.kind !== "suspension_over" && entry.kind !== "later_limit_over") parts.push(`unitWhy.${why}` in zh ? tCode("unitWhy", why) : tCode("closeReason", why));
  if (entry.kind === "unit_told") parts.push(...[text("unit"), text("lane")].filter((part) => part !== null));
  const closeReason = text("close_reason");
  if (closeReason && entry.kind === "closed") parts.push(tCode("closeReason", closeReason));
  const askedBy = text("asked_by");
  if (askedBy) parts.push(isChinese.value ? `${askedBy} 申请` : `asked by ${askedBy}`);
  const until = text("until") ?? text("due");
  if (until && UNTIL.has(entry.kind)) parts.push(isChinese.value ? `至 ${minuteText(until, Date.parse(entry.at))}` : `until ${minuteText(until, Date.parse(entry.at))}`);
  const before = text("due_before");
  if (before && entry.kind === "limit_moved") parts.push(isChinese.value ? `此前 ${minuteText(before, Date.parse(entry.at))}` : `was ${minuteText(before, Date.parse(entry.at))}`);
  const reasonCode = text("reason_code");
  if (reasonCode) parts.push(tCode("reasonCode", reasonCode));
  const note = text("note");
  if (note) parts.push(`“${note}”`);
  if (isReason(params.reason) && entry.kind !== "seen_clear") {
    // Without the numbers: those of the incident are of now, not of this entry.
    parts.push(reasonText(params.reason, { hazard: incident.hazard, measures: {} }));
  }
  if (Array.isArray(params.photos) && params.photos.length > 0) {
    parts.push(isChinese.value ? `照片 ${params.photos.length} 张` : `${params.photos.length} photo(s)`);
  }
  if (Array.isArray(params.voices) && params.voices.length > 0) parts.push(t("told.voices", { count: params.voices.length }));
  if (typeof params.distance_m === "number") {
    parts.push(params.distance_m === 0 ? t("told.atPlace") : t("told.distance", { metres: params.distance_m }));
  }
  if (typeof params.accuracy_m === "number") parts.push(t("told.accuracy", { metres: params.accuracy_m }));
  if (params.is_inaccurate === true) parts.push(t("told.inaccurate"));
  const actedAt = text("acted_at");
  if (actedAt) parts.push(t("told.late", { at: momentText(actedAt, Date.parse(entry.at)) }));
  return parts.join(" · ");
}

/** "80 m from the camera ± 15 m · 4 min ago". */
export function checkInText({ at, distance_m, accuracy_m, is_inaccurate }: CheckIn, nowMs: number): string {
  const accuracy = Math.round(accuracy_m);
  const far = distance_m === null ? t("told.noDistance", { accuracy }) : t("told.metresAway", { metres: distance_m, accuracy });
  const parts = [far, t("told.ago", { span: span(Math.max(0, (nowMs - Date.parse(at)) / 1000)) })];
  if (is_inaccurate) parts.push(t("told.inaccurate"));
  return parts.join(" · ");
}

function isReason(value: unknown): value is Reason {
  return typeof value === "object" && value !== null && "code" in value && "text" in value && "about" in value;
}

const SYSTEM_ACTORS: Record<string, [string, string]> = {
  camera: ["同机核查", "same camera"],
  clock: ["时限", "clock"],
  policy: ["预案", "policy"],
  ingest: ["接入", "intake"],
  folding: ["归并", "grouping"],
};

export function actorText(actor: TimelineEntry["actor"]): string {
  if (actor.kind === "user") return actor.name;
  if (actor.kind === "unit") return actor.name;
  if (actor.kind === "node") return t("actor.node", { name: actor.name });
  const known = SYSTEM_ACTORS[actor.name];
  return known ? `${t("actor.system")} · ${known[isChinese.value ? 0 : 1]}` : t("actor.system");
}

export const severityName = (severity: Severity): string => tCode("severity", String(severity));

/** "历下区 › 泉城路街道 › 第三网格": the two or three lowest names of the path. */
export function pathText(path: { name: string; name_en?: string | null }[], lowest = 3): string {
  return path.slice(-lowest).map(areaName).join(" › ");
}

/** A fresh look in words: what the rule says now, why nothing could be seen, why there is no picture. */
import type { FreshLook } from "@/api/looks";

import { momentText, span, wordsOf } from "./index";

const zh = {
  button: "现在看看",
  again: "再看一次",
  asking: "正在询问摄像机…",
  taken: "拍摄于 {at}",
  kept: "拍摄于 {at}，已存入本事件证据",
  full: "完整画面传输中…",
  alt: "刚刚拍摄的画面，人员已遮盖",
  masked: "人员已遮盖",
  "holds.share": "仍占 {share}%",
  "holds.count": "仍有 {count} 个",
  "holds.people": "仍有 {count} 人",
  "holds.plain": "仍然存在",
  lasting: "{what}，已 {span}",
  notYet: "{what}（尚未达到告警时长）",
  clear: "现在已无异常",
  clearSince: "已无异常，自 {at} 起",
  unclear: "看不清：该处被遮住，无法判断",
  outside_hours: "不在规则的工作时段，未判断",
  cannot: "无法看到：{why}",
  "why.offline": "摄像机离线",
  "why.unknown": "画面无法判断",
  "why.not_judged": "画面无法判断",
  "why.frozen": "画面冻结",
  "why.black": "画面全黑",
  "why.over_exposed": "画面过曝",
  "why.defocused": "画面失焦",
  "why.covered": "镜头被遮挡",
  "why.moved": "摄像机被移动",
  "why.other_view": "摄像机转向了别处",
  "why.no_picture_came": "摄像机没有送来画面",
  "why.no_time": "摄像机在线，节点暂时忙不过来",
  noPicture: "没有画面：{why}",
  "noPicture.no_centre": "节点未设置中心地址，不制作画面",
  "noPicture.no_place": "此规则没有监测区域",
  "noPicture.no_picture": "没有可用的画面",
  "noPicture.too_much_moves": "画面变动太大，无法可靠遮盖人员",
  "noPicture.no_person_class": "节点的模型不能识别人员，无法遮盖",
  "noPicture.no_preview": "小图无法制作，完整画面随后送到",
  "noPicture.busy": "节点太忙，未能制作画面",
  "noPicture.other": "无法可靠遮盖人员，未发送",
  "problem.node_away": "节点不在线，现在无法询问",
  "problem.node_silent": "节点没有答复",
  "problem.node_busy": "正在被询问，请稍后再试",
  "problem.look_refused": "现在不能看：{why}",
  "problem.throttled": "刚刚看过，请稍后再试",
  "problem.camera_not_released": "该摄像机未经批准，不能分析",
  "problem.no_answer": "没有收到中心的答复",
  "problem.other": "未成功：{why}",
};
const en: typeof zh = {
  button: "Look now",
  again: "Look again",
  asking: "Asking the camera…",
  taken: "Taken {at}",
  kept: "Taken {at}, kept with this case",
  full: "The full picture is on its way…",
  alt: "The picture just taken, people masked",
  masked: "People are masked",
  "holds.share": "Still {share}% covered",
  "holds.count": "Still {count} there",
  "holds.people": "Still {count} people",
  "holds.plain": "Still there",
  lasting: "{what}, for {span}",
  notYet: "{what} (not long enough for an alert yet)",
  clear: "Clear now",
  clearSince: "Clear since {at}",
  unclear: "Cannot tell: the place is hidden",
  outside_hours: "Outside the rule's hours: not judged",
  cannot: "Cannot see: {why}",
  "why.offline": "the camera is offline",
  "why.unknown": "the picture cannot be judged",
  "why.not_judged": "the picture cannot be judged",
  "why.frozen": "the picture is frozen",
  "why.black": "the picture is black",
  "why.over_exposed": "the picture is over-exposed",
  "why.defocused": "the picture is out of focus",
  "why.covered": "the lens is covered",
  "why.moved": "the camera was moved",
  "why.other_view": "the camera looks elsewhere",
  "why.no_picture_came": "no picture came from the camera",
  "why.no_time": "the camera sends, and its node has no time for it now",
  noPicture: "No picture: {why}",
  "noPicture.no_centre": "the node makes none, it has no address of a centre",
  "noPicture.no_place": "this rule has no zone",
  "noPicture.no_picture": "there is none that can be used",
  "noPicture.too_much_moves": "too much moves to mask people surely",
  "noPicture.no_person_class": "the node's model knows no people, so nobody can be masked",
  "noPicture.no_preview": "no small one could be made, the full one follows",
  "noPicture.busy": "the node was too busy to make one",
  "noPicture.other": "people could not be masked surely, so none was sent",
  "problem.node_away": "The node is not online: it cannot be asked now",
  "problem.node_silent": "The node did not answer",
  "problem.node_busy": "It is being asked already: try again in a moment",
  "problem.look_refused": "Not possible now: {why}",
  "problem.throttled": "Looked at just now: try again in a moment",
  "problem.camera_not_released": "This camera is not released: it may not be analysed",
  "problem.no_answer": "No answer from the centre",
  "problem.other": "It did not work: {why}",
};

export const { t: look, code: lookCode } = wordsOf<keyof typeof zh>(zh, en);

/** What is said of a look, also where the timeline keeps only its numbers. */
export type Said = Pick<FreshLook, "says" | "why"> &
  Partial<Pick<FreshLook, "since" | "observed_at" | "has_alert">> & { share?: number | undefined; count?: number | undefined; unit?: string | undefined };

export function saidOf(answer: FreshLook): Said {
  const { share, count } = answer.measures;
  return { ...answer, share: share?.value, count: count?.value, unit: count?.unit };
}

/** "Still 41% covered, for 6 min 10 s", "Clear since 18:03:05", "Cannot see: the lens is covered". */
export function lookText(said: Said): string {
  if (said.says === "cannot_see") return look("cannot", { why: lookCode("why", said.why ?? "unknown") });
  if (said.says === "unclear" || said.says === "outside_hours") return look(said.says);
  if (said.says === "clear") return said.since ? look("clearSince", { at: momentText(said.since, Date.parse(said.observed_at ?? said.since)) }) : look("clear");
  const what = held(said);
  const seconds = said.since && said.observed_at ? (Date.parse(said.observed_at) - Date.parse(said.since)) / 1000 : null;
  const lasting = seconds === null ? what : look("lasting", { what, span: span(seconds) });
  return said.has_alert === false ? look("notYet", { what: lasting }) : lasting;
}

function held({ share, count, unit }: Said): string {
  if (share !== undefined) return look("holds.share", { share: Math.round(share * 100) });
  if (count !== undefined) return look(unit === "people" ? "holds.people" : "holds.count", { count: Math.round(count) });
  return look("holds.plain");
}

const MASKING = new Set(["no_centre", "no_place", "no_picture", "no_preview", "too_much_moves", "no_person_class"]);
const BUSY = new Set(["late", "detector_late", "detector_busy", "detector_down", "picture_gone"]);

export function noPictureText(code: string): string {
  return look("noPicture", { why: noPictureWhy(code) });
}

export function noPictureWhy(code: string): string {
  const known = BUSY.has(code) ? "busy" : MASKING.has(code) ? code : "other";
  return lookCode("noPicture", known);
}

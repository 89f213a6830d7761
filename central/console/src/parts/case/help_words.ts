/** Words of a call for help at the desk. */
import { wordsOf } from "@/words";

const zh = {
  title: "处置人员求助",
  waits: "{name} · {span}前发出，等待回复",
  where: "求助时{where}",
  untold: "上级各值班台均无人员，系统没有通知到任何人。",
  answered: "已回复：{who}",
  by: "{name} · {at}",
  ask: "谁来支援？",
  note: "姓名、电话或多久能到（可不填）",
  noteRequired: "请写明谁来支援",
  send: "告知处置人员",
  failed: "没有送达：{why}",
  noAnswer: "中心没有回应，请再试一次。",
};

const en: Record<keyof typeof zh, string> = {
  title: "The worker asks for help",
  waits: "{name} · sent {span} ago, waits for an answer",
  where: "Then {where}",
  untold: "No desk from here up has anybody: the system has told nobody.",
  answered: "Answered: {who}",
  by: "{name} · {at}",
  ask: "Who comes?",
  note: "Name, number, or how soon (optional)",
  noteRequired: "Please say who comes",
  send: "Tell the worker",
  failed: "Not sent: {why}",
  noAnswer: "The centre did not answer; try again.",
};

export const { t: h } = wordsOf(zh, en);

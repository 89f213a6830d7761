/** Words of the phone's pages that no other page needs. */
import { wordsOf } from "@/words";

const zh = {
  "held.soon": "{seconds} 秒后发送",
  "held.away": "{seconds} 秒内可撤销，有信号后发送",
  "held.undo": "撤销",
  "held.undoAct": "撤销“{act}”",
  "held.tooLate": "已过撤销时间，这一步已提交。",
};

const en: Record<keyof typeof zh, string> = {
  "held.soon": "Sent in {seconds} s",
  "held.away": "Undo within {seconds} s; sent when there is a signal",
  "held.undo": "Undo",
  "held.undoAct": "Undo “{act}”",
  "held.tooLate": "Too late to undo: this step has gone.",
};

export const { t: p } = wordsOf(zh, en);

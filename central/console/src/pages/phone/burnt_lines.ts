/** What is drawn into a photograph: when by whose clock, and where or about which incident. */
import type { Task } from "@/api/types";
import { isCentreTime, now } from "@/live/now";

import { r } from "./report_words";

const MOMENT = new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Shanghai", dateStyle: "short", timeStyle: "medium" });

/** "2026-11-27 15:40:12 中心时间": Beijing time; the phone's own where the centre's is not known. */
export function timeLine(): string {
  return `${MOMENT.format(now.value)} ${r(isCentreTime.value ? "burnt.centre" : "burnt.phone")}`;
}

export function linesOfTask(task: Task | undefined): string[] {
  return task ? [timeLine(), `${task.incident.place.camera_name} · ${task.incident.number}`] : [timeLine()];
}

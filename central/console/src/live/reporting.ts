/**
 * A worker's own report, on its way to the centre: kept on the device as an act of no task, held for a moment, then sent
 * with its photographs and voice notes. What of it has not been sent off yet (`REPORT` in place of a task) is the draft.
 */
import { randomId } from "@/api/random_id";
import { REPORT, type Report } from "@/offline/acts";
import { keptHere } from "@/offline/device";
import { holdOf } from "@/offline/holding";

import { user } from "./account";
import { now } from "./now";

/** False: the device did not take it, and nothing was done. `area`: said of it on the phone, also when it was refused: never the exact place. */
export async function keepReport(said: Report, photos: string[], voices: string[], area: string): Promise<boolean> {
  if (!user.value) return false;
  try {
    const here = await keptHere();
    await here.addAct({
      key: randomId(),
      userId: user.value.user_id,
      taskId: REPORT,
      move: REPORT,
      from: "offered",
      version: null,
      given: { report: { ...said }, photos: [...photos], voices: [...voices] },
      at: new Date(now.value).toISOString(),
      heldUntilMs: holdOf(REPORT, Date.now()),
      near: null,
      about: { hazard: said.hazard, place: area },
      trouble: null,
    });
  } catch {
    return false;
  }
  void navigator.storage?.persist?.(); // unsent work is no cache that a browser may clear
  return true;
}

/**
 * The parts that the first look does without. They are fetched right after it and not when they are pressed: by then the
 * signal may be gone, and a page that was opened as /login has no service worker that would have them.
 */
import { defineAsyncComponent } from "vue";

const parts = () => import("./parts");

setTimeout(() => void parts().catch(() => undefined)); // after the first paint; a failure is seen to by main.ts

export const LaterLimit = defineAsyncComponent(() => parts().then((found) => found.LaterLimit));
export const LookedAgain = defineAsyncComponent(() => parts().then((found) => found.LookedAgain));
export const LoudBar = defineAsyncComponent(() => parts().then((found) => found.LoudBar));
export const MapLinks = defineAsyncComponent(() => parts().then((found) => found.MapLinks));
export const TaskFacts = defineAsyncComponent(() => parts().then((found) => found.TaskFacts));
export const TaskMessages = defineAsyncComponent(() => parts().then((found) => found.TaskMessages));
export const UnderWay = defineAsyncComponent(() => parts().then((found) => found.UnderWay));
export const VoiceNote = defineAsyncComponent(() => parts().then((found) => found.VoiceNote));
export const WaitingTask = defineAsyncComponent(() => parts().then((found) => found.WaitingTask));

/**
 * What the phone's pages show after their first paint, as one file of the build: all of it is there, or none. A page that
 * lost its signal with half of its parts would miss the others.
 */
export { default as LaterLimit } from "./LaterLimit.vue";
export { default as LookedAgain } from "./LookedAgain.vue";
export { default as LoudBar } from "./LoudBar.vue";
export { default as MapLinks } from "./MapLinks.vue";
export { default as TaskFacts } from "./TaskFacts.vue";
export { default as TaskMessages } from "./TaskMessages.vue";
export { default as UnderWay } from "./UnderWay.vue";
export { default as VoiceNote } from "./VoiceNote.vue";
export { default as WaitingTask } from "./WaitingTask.vue";

/** The phone's pages as one file of the build. */
import { h } from "vue";

import OneTaskPage from "./TaskPage.vue";

export { default as TaskListPage } from "./TaskListPage.vue";
export { default as MyShiftsPage } from "./MyShiftsPage.vue";
export { default as ReportPage } from "./ReportPage.vue";
export { default as OwnReportsPage } from "./OwnReportsPage.vue";

/** A page of its own for each task: no word, sheet or photograph that was begun for one is carried to another. */
export const TaskPage = ({ taskId }: { taskId: string }) => h(OneTaskPage, { key: taskId, taskId });
TaskPage.props = ["taskId"];

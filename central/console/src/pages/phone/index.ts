/** The phone's pages as one file of the build. */
export { default as TaskListPage } from "./TaskListPage.vue";
export { default as TaskPage } from "./TaskPage.vue";
export { default as MyShiftsPage } from "./MyShiftsPage.vue";
export { default as ReportPage } from "./ReportPage.vue";
export { default as OwnReportsPage } from "./OwnReportsPage.vue";

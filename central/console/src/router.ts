/** Pages and who may see them. The centre decides what is answered; this only leads people to their own page. */
import { createRouter, createWebHistory, type RouteLocationRaw } from "vue-router";

import { held, isWall, isWorker, keepsAccounts, mustEnrol, onSignOut, restore, user } from "@/live/account";

declare module "vue-router" {
  interface RouteMeta {
    /**
     * "anyone" needs no session, "self" needs one; "worker" is the phone; the rest of the roles share "command". "wall"
     * is theirs too, and all that a screen on a wall has. "accounts" is for who keeps the accounts and who audits them.
     */
    for: "anyone" | "self" | "command" | "worker" | "wall" | "accounts";
    theme: "dark" | "light";
  }
}

/** The phone's pages are one file: a phone that has shown one without a connection can show the other. */
function phonePage(name: "TaskListPage" | "TaskPage" | "MyShiftsPage" | "ReportPage" | "OwnReportsPage") {
  return () => import("@/pages/phone").then((pages) => pages[name]);
}

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    {
      path: "/login",
      name: "login",
      component: () => import("@/pages/login/LoginPage.vue"),
      meta: { for: "anyone", theme: "dark" },
    },
    {
      path: "/",
      name: "command",
      component: () => import("@/pages/command/CommandPage.vue"),
      meta: { for: "command", theme: "dark" },
    },
    {
      path: "/incidents/:incidentId",
      name: "incident",
      component: () => import("@/pages/incident/IncidentPage.vue"),
      props: true,
      meta: { for: "command", theme: "dark" },
    },
    {
      path: "/live/:cameraId",
      name: "live",
      component: () => import("@/pages/live/LivePage.vue"),
      props: true,
      meta: { for: "command", theme: "dark" },
    },
    {
      path: "/silences",
      name: "silences",
      component: () => import("@/pages/silences/SilencesPage.vue"),
      meta: { for: "command", theme: "dark" },
    },
    {
      path: "/account",
      name: "account",
      component: () => import("@/pages/account/AccountPage.vue"),
      meta: { for: "self", theme: "dark" },
    },
    {
      path: "/accounts",
      name: "accounts",
      component: () => import("@/pages/accounts/AccountsPage.vue"),
      meta: { for: "accounts", theme: "dark" },
    },
    {
      path: "/rules",
      name: "rules",
      component: () => import("@/pages/rules/RulesListPage.vue"),
      meta: { for: "command", theme: "dark" },
    },
    {
      path: "/rule-levels/:areaCode?",
      name: "rule-levels",
      component: () => import("@/pages/rules/levels/LevelsPage.vue"),
      props: true,
      meta: { for: "command", theme: "dark" },
    },
    {
      path: "/rules/shadow",
      name: "shadow-rules",
      component: () => import("@/pages/rules/shadow/ShadowPage.vue"),
      meta: { for: "command", theme: "dark" },
    },
    {
      path: "/rules/copies",
      name: "rule-copies",
      component: () => import("@/pages/rules/copies/CopiesPage.vue"),
      meta: { for: "command", theme: "dark" },
    },
    {
      path: "/rules/waiting",
      name: "waiting-rules",
      component: () => import("@/pages/rules/waiting/WaitingPage.vue"),
      meta: { for: "command", theme: "dark" },
    },
    {
      path: "/rules/:cameraId",
      name: "camera-rules",
      component: () => import("@/pages/rules/CameraRulesPage.vue"),
      props: true,
      meta: { for: "command", theme: "dark" },
    },
    {
      path: "/rosters",
      name: "rosters",
      component: () => import("@/pages/rosters/RostersPage.vue"),
      meta: { for: "command", theme: "dark" },
    },
    {
      path: "/reports",
      name: "reports",
      component: () => import("@/pages/reports/ReportsPage.vue"),
      meta: { for: "command", theme: "dark" },
    },
    {
      path: "/noise",
      name: "noise",
      component: () => import("@/pages/noise/NoisePage.vue"),
      meta: { for: "command", theme: "dark" },
    },
    {
      path: "/reviews",
      name: "reviews",
      component: () => import("@/pages/reviews/ReviewsPage.vue"),
      meta: { for: "command", theme: "dark" },
    },
    {
      path: "/wall",
      name: "wall",
      component: () => import("@/pages/wall/WallPage.vue"),
      meta: { for: "wall", theme: "dark" },
    },
    {
      path: "/sightings",
      name: "sightings",
      component: () => import("@/pages/sightings/SightingsPage.vue"),
      meta: { for: "command", theme: "dark" },
    },
    {
      path: "/releases",
      name: "releases",
      component: () => import("@/pages/releases/ReleasesPage.vue"),
      meta: { for: "command", theme: "dark" },
    },
    {
      path: "/notices",
      name: "notices",
      component: () => import("@/pages/notices/NoticesPage.vue"),
      meta: { for: "command", theme: "dark" },
    },
    {
      path: "/hand-overs",
      name: "hand-overs",
      component: () => import("@/pages/hand_overs/HandOversPage.vue"),
      meta: { for: "command", theme: "dark" },
    },
    {
      path: "/phone",
      name: "phone",
      component: phonePage("TaskListPage"),
      meta: { for: "worker", theme: "light" },
    },
    {
      path: "/phone/shifts",
      name: "my-shifts",
      component: phonePage("MyShiftsPage"),
      meta: { for: "worker", theme: "light" },
    },
    {
      path: "/phone/report",
      name: "report",
      component: phonePage("ReportPage"),
      meta: { for: "worker", theme: "light" },
    },
    {
      path: "/phone/reports",
      name: "own-reports",
      component: phonePage("OwnReportsPage"),
      meta: { for: "worker", theme: "light" },
    },
    {
      path: "/phone/tasks/:taskId",
      name: "task",
      component: phonePage("TaskPage"),
      props: true,
      meta: { for: "worker", theme: "light" },
    },
    {
      path: "/unit",
      name: "unit",
      component: () => import("@/pages/unit/UnitPage.vue"),
      meta: { for: "anyone", theme: "light" },
    },
    {
      path: "/:rest(.*)*",
      name: "missing",
      component: () => import("@/pages/login/MissingPage.vue"),
      meta: { for: "anyone", theme: "dark" },
    },
  ],
});

export function homeOfUser(): RouteLocationRaw {
  if (mustEnrol.value) return { name: "account" };
  if (keepsAccounts.value) return { name: "accounts" };
  if (isWall.value) return { name: "wall" };
  return isWorker.value ? { name: "phone" } : { name: "command" };
}

router.beforeEach(async (to) => {
  try {
    await restore();
  } catch {
    // The centre is away. Whoever is not known yet goes to the login page, which says so and tries again.
  }
  if (to.meta.for === "anyone") return to.name === "login" && user.value && !held.value ? homeOfUser() : true;
  if (held.value) return { name: "login" }; // somebody else's unsent work: decided there
  if (!user.value) return { name: "login", query: to.fullPath === "/" ? {} : { back: to.fullPath } };
  if (to.meta.for === "self") return true;
  if (mustEnrol.value) return { name: "account" };
  if (to.meta.for === "accounts") return keepsAccounts.value || user.value.role === "auditor" ? true : homeOfUser();
  if (keepsAccounts.value) return homeOfUser();
  if (isWorker.value) return to.meta.for === "worker" ? true : homeOfUser();
  const isForMe = to.meta.for === "wall" || (to.meta.for === "command" && !isWall.value);
  return isForMe ? true : homeOfUser();
});

router.afterEach((to) => {
  const root = document.documentElement.classList;
  root.toggle("dark", to.meta.theme === "dark");
  root.toggle("light", to.meta.theme === "light");
});

onSignOut(() => {
  const here = router.currentRoute.value;
  if (here.name === "wall") return; // nobody is at its keyboard: it stays, and says so
  if (here.name !== "login") void router.replace({ name: "login", query: { back: here.fullPath, expired: "1" } });
});

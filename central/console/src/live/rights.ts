/** Which pages and acts are offered to whom. The centre decides; this only leaves out what it would refuse. */
import type { Role } from "@/api/types";

const OFFICE: readonly Role[] = ["admin", "operator", "rule_operator", "supervisor", "auditor"];
const DESK: readonly Role[] = ["admin", "operator", "supervisor"];

const ROLES = {
  see_reports: OFFICE,
  see_noise: OFFICE,
  see_reviews: OFFICE,
  export_ledger: ["supervisor", "admin", "auditor"],
  see_sightings: OFFICE,
  report_sightings: DESK,
  call_back: DESK,
  see_hand_overs: ["operator", "supervisor", "admin", "auditor"],
  write_hand_overs: ["operator", "supervisor"],
  claim: DESK,
  have_seat: ["operator", "supervisor"],
  see_releases: ["rule_operator", "supervisor", "admin", "auditor"],
  see_notices: OFFICE,
  manage_notices: ["admin"],
  answer_help: DESK,
  look_now: ["admin", "operator", "supervisor", "rule_operator"],
  watch_live: ["operator", "supervisor"], // and only who was given it: live/live_right.ts
  see_accounts: ["auditor"], // a security administrator is led there
  change_rules: ["rule_operator", "admin"],
} satisfies Record<string, readonly Role[]>;

export type Right = keyof typeof ROLES;

export function may(role: Role | undefined, right: Right): boolean {
  return role !== undefined && (ROLES[right] as readonly Role[]).includes(role);
}

/** Of a closed case no camera is asked. */
export function mayLook(incident: { state: string }, role: Role | undefined): boolean {
  return incident.state !== "closed" && may(role, "look_now");
}

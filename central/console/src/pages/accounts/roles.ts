/** Roles as an account can have them, in the order they are offered. */
import type { Role } from "@/api/types";

export const ROLES: readonly Role[] = ["operator", "supervisor", "rule_operator", "worker", "viewer", "admin", "security", "auditor"];

export function isOfThree(role: Role): boolean {
  return role === "admin" || role === "security" || role === "auditor";
}

/** Who can be given the right to watch live. */
export function canWatchLive(role: Role): boolean {
  return role === "operator" || role === "supervisor";
}

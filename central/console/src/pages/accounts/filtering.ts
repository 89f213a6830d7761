/** Which accounts of a long list are shown. Pure. */
import type { Account } from "../../api/accounts.ts";
import type { Role } from "../../api/types.ts";

export type Standing = "all" | "active" | "disabled" | "live" | "breach";

export interface Wanted {
  text: string;
  role: Role | "";
  standing: Standing;
}

/** Every word of the text is found somewhere in what the row shows. */
export function passes(one: Account, wanted: Wanted): boolean {
  if (wanted.role && one.role !== wanted.role) return false;
  if (!stands(one, wanted.standing)) return false;
  const shown = [one.username, one.display_name, one.holder ?? "", one.area_code, one.area?.name ?? "", one.area?.name_en ?? ""];
  const told = shown.join("\n").toLowerCase();
  return wanted.text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => told.includes(word));
}

function stands(one: Account, standing: Standing): boolean {
  if (standing === "active") return !one.disabled;
  if (standing === "disabled") return one.disabled;
  if (standing === "live") return one.live_right !== null;
  return standing === "breach" ? one.breach !== null : true;
}

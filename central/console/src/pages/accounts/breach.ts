/** Why an account breaks the rule of the three, read out of the centre's words (rights/administrators.py). Pure. */

/** became: it was `first` and may not be `role`; holder: it names nobody; role: there is no such role. */
export interface Breach {
  kind: "became" | "holder" | "role";
  role: string;
  first?: string;
}

const THREE: Record<string, string> = {
  "system administrator": "admin",
  "security administrator": "security",
  "audit administrator": "auditor",
};
const codeOf = (words: string): string => THREE[words] ?? words;

/** null: other words than these. */
export function breachOf(text: string): Breach | null {
  const [, first, second] = /^this account was (.+): its holder cannot become ([^;]+);/.exec(text) ?? [];
  if (first && second) return { kind: "became", first: codeOf(first), role: codeOf(second) };
  const [, holder] = /^a (.+)'s account names its holder/.exec(text) ?? [];
  if (holder) return { kind: "holder", role: codeOf(holder) };
  const [, role] = /^the role '(.+)' is none of this program$/.exec(text) ?? [];
  return role ? { kind: "role", role } : null;
}

/** Listens for the keys of the command page. */
import { onScopeDispose } from "vue";

import { actOf, type Act } from "./key_acts";

/** One that fades away has been answered: the next key is for the page. */
const OPEN_DIALOG = '.el-overlay:not(.dialog-fade-leave-active) [aria-modal="true"], dialog[open]';

/** Typing is not pressing keys. A radio or a button takes no text: letters on it are keys of the page. */
export function takesText(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && !["radio", "checkbox", "button"].includes(target.type);
}

/** Arrows choose among radios; a player has keys of its own. */
function hasItsOwn({ key, target }: KeyboardEvent): boolean {
  if (target instanceof HTMLMediaElement) return true;
  return key.startsWith("Arrow") && target instanceof HTMLInputElement && target.type === "radio";
}

/** Until the component goes. A dialog that is open keeps the keys to itself. */
export function useKeys(take: (act: Act) => void): void {
  const onKey = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || takesText(event.target) || hasItsOwn(event)) return;
    if ([...document.querySelectorAll(OPEN_DIALOG)].some((one) => one.checkVisibility())) return;
    const act = actOf(event);
    if (!act) return;
    event.preventDefault();
    take(act);
  };
  document.addEventListener("keydown", onKey);
  onScopeDispose(() => document.removeEventListener("keydown", onKey));
}

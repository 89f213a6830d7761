/** Points over a picture in somebody's hand: dragged, and moved by the arrow keys. */
import { ref, type Ref } from "vue";

import { kept, type Point } from "./zones";

const STEP = 0.005;
const FAST = 0.04;
const ARROWS: Record<string, Point> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** `move`: a point's new place; `joined`: it goes on with the change before. */
export function usePointHand(
  frame: Readonly<Ref<HTMLElement | null>>,
  pointAt: (index: number) => Point | undefined,
  move: (index: number, to: Point, joined: boolean) => void,
) {
  const dragged = ref<number | null>(null);
  let hasMoved = false;

  function placeOf(event: PointerEvent | MouseEvent): Point {
    const box = frame.value?.getBoundingClientRect();
    if (!box || box.width === 0) return [0, 0];
    return kept((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }

  function grab(event: PointerEvent, index: number): void {
    if (event.button !== 0) return;
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    dragged.value = index;
    hasMoved = false;
  }

  function drag(event: PointerEvent): void {
    if (dragged.value === null) return;
    move(dragged.value, placeOf(event), hasMoved);
    hasMoved = true;
  }

  function drop(): void {
    dragged.value = null;
  }

  /** True: it was an arrow, and the point has moved. */
  function nudge(event: KeyboardEvent, index: number): boolean {
    const arrow = ARROWS[event.key];
    const point = pointAt(index);
    if (!arrow || !point) return false;
    event.preventDefault();
    const by = event.shiftKey ? FAST : STEP;
    move(index, kept(point[0] + arrow[0] * by, point[1] + arrow[1] * by), event.repeat);
    return true;
  }

  return { placeOf, grab, drag, drop, nudge, wasDragged: () => hasMoved };
}

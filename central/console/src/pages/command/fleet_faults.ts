/** What went wrong with nodes' records in the last day: data that will not come, identities used twice. */
import type { FleetNode } from "../../api/types.ts";

/** Longer, and the strip would stay red for good: what is missing stays missing. The fleet's API keeps it. */
export const SHOWN_FOR_MS = 24 * 3600 * 1000;

export interface NodeFault {
  nodeId: string;
  records: number;
  at: string;
}

function isRecent(at: string | null | undefined, nowMs: number): at is string {
  return typeof at === "string" && nowMs - Date.parse(at) < SHOWN_FOR_MS;
}

export function missingData(nodes: Iterable<FleetNode>, nowMs: number): NodeFault[] {
  const faults: NodeFault[] = [];
  for (const { node_id, data_missing } of nodes) {
    const at = data_missing?.found_at;
    const records = data_missing?.records ?? 0;
    if (records > 0 && isRecent(at, nowMs)) faults.push({ nodeId: node_id, records, at });
  }
  return faults;
}

export function clonedNodes(nodes: Iterable<FleetNode>, nowMs: number): NodeFault[] {
  const faults: NodeFault[] = [];
  for (const { node_id, cloned_at } of nodes) {
    if (isRecent(cloned_at, nowMs)) faults.push({ nodeId: node_id, records: 0, at: cloned_at });
  }
  return faults;
}

/** Edge nodes. */

export interface FleetNode {
  node_id: string;
  state: string;
  last_seen_at?: string | null;
  backlog?: { records: number | null; empty_since: string | null };
  data_missing?: { records: number; found_at: string | null };
  cloned_at?: string | null;
  cameras?: { camera_id: string; state: string | null }[];
}

export interface Fleet {
  nodes: FleetNode[];
}

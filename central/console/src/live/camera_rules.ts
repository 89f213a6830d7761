/** Rules of cameras, kept current: of all in one list, or of one camera with its history. Loaded with the rules pages. */
import { computed, onScopeDispose, ref, shallowRef } from "vue";

import { places } from "@/api/calls";
import { ApiProblem } from "@/api/http";
import { rules, type CameraRulesNow, type Standing, type Version } from "@/api/rules";
import type { Camera, CentreEvent, FleetNode } from "@/api/types";

import { useAreasByCode } from "./areas_by_code";
import { listen } from "./feed";
import { useReadingSoon } from "./reading_soon";

/** A change of many cameras at once is one reading of the list, not one each. */
const GATHER_MS = 400;

export const SILENT = new Set(["lost", "stopped", "never_seen"]);

export function useStandings() {
  const standings = shallowRef<Standing[]>([]);
  const areas = useAreasByCode();
  const isLoaded = ref(false);
  const hasFailed = ref(false);
  let asked = 0;

  async function read(): Promise<void> {
    const mine = ++asked;
    try {
      const found = (await rules.standings()).items;
      if (mine !== asked) return;
      standings.value = found;
      isLoaded.value = true;
      hasFailed.value = false;
    } catch {
      if (mine === asked) hasFailed.value = true;
    }
  }

  useReadingSoon(read, (event) => event.kind === "camera_rules" || event.kind === "node", GATHER_MS);
  void read();
  return { standings, areas, isLoaded, hasFailed, read };
}

export function useCameraRules(cameraId: string) {
  const now = shallowRef<CameraRulesNow | null>(null);
  const versions = shallowRef<Version[]>([]);
  const nextBefore = ref<number | null>(null);
  const node = shallowRef<FleetNode | null>(null);
  const camera = shallowRef<Camera | null>(null);
  const isMissing = ref(false);
  const hasFailed = ref(false);
  let asked = 0;

  async function read(): Promise<void> {
    const mine = ++asked;
    try {
      const [body, page] = await Promise.all([rules.now(cameraId), rules.versions(cameraId, null)]);
      if (mine !== asked) return;
      now.value = body;
      const oldest = page.items.at(-1)?.version ?? 0;
      const earlier = versions.value.filter((one) => one.version < oldest); // those that "more" has shown
      if (earlier.length === 0) nextBefore.value = page.next_before;
      versions.value = [...page.items, ...earlier];
      hasFailed.value = false;
      void readNode(body.node_id);
      void places.camera(cameraId).then((found) => (camera.value = found)).catch(() => undefined);
    } catch (error) {
      if (mine !== asked) return;
      if (error instanceof ApiProblem && error.status === 404) isMissing.value = true;
      else hasFailed.value = true;
    }
  }

  async function readNode(nodeId: string | null): Promise<void> {
    if (nodeId === null) {
      node.value = null;
      return;
    }
    node.value = await places.node(nodeId).catch(() => node.value);
  }

  async function readEarlier(): Promise<void> {
    if (nextBefore.value === null) return;
    const page = await rules.versions(cameraId, nextBefore.value);
    versions.value = [...versions.value, ...page.items];
    nextBefore.value = page.next_before;
  }

  const isOfThisCamera = (event: CentreEvent): boolean =>
    event.kind === "node" ? event.node.node_id === now.value?.node_id : event.kind === "camera_rules" && event.camera_rules.camera_id === cameraId;
  useReadingSoon(read, isOfThisCamera, GATHER_MS);
  const takeCamera = (event: CentreEvent): void => {
    if (event.kind === "camera" && event.camera.camera_id === cameraId) camera.value = event.camera;
  };
  onScopeDispose(listen({ onEvent: takeCamera, onResume: () => undefined }));
  void read();

  /** The newest version that says what the node runs; null: none does, or nobody knows. */
  const running = computed(() => {
    const digest = now.value?.reported?.digest;
    if (!digest) return null;
    const same = versions.value.filter((one) => one.digest === digest);
    return same.find((one) => one.state === "desired") ?? same.find((one) => ["ran", "replaced"].includes(one.state)) ?? null;
  });
  const isSilent = computed(() => node.value !== null && SILENT.has(node.value.state));
  return { now, versions, nextBefore, node, camera, isMissing, hasFailed, isSilent, running, read, readEarlier };
}

/** What the command page shows, kept current: open incidents, areas, cameras, nodes. */
import { computed, onScopeDispose, ref, shallowReactive, shallowRef } from "vue";

import { incidents as incidentCalls, places } from "@/api/calls";
import type { Area, Camera, CentreEvent, FleetNode, Incident } from "@/api/types";

import { listen } from "./feed";

/** Nodes and cameras change rarely and the stream tells; this only mends what a missed event left behind. */
const FLEET_EVERY_MS = 60_000;
/** A city's list is ten megabytes: it is read seldom, and not by every screen at once after a break. */
const CAMERAS_EVERY_MS = 600_000;
const CAMERAS_SPREAD_MS = 20_000;
const GATHER_MS = 400;

type FleetEvent = Extract<CentreEvent, { kind: "camera" | "camera_gone" | "node" }>;

export function useBoard() {
  const incidents = shallowReactive(new Map<string, Incident>());
  const areas = shallowRef<Area[]>([]);
  const cameras = shallowReactive(new Map<string, Camera>());
  const nodes = shallowReactive(new Map<string, FleetNode>());
  const isLoaded = ref(false);
  const hasFailed = ref(false);
  const fleetKnown = ref(false);
  const closedTick = ref(0);
  const lastClosed = shallowRef<Incident | null>(null);
  /** There are more open incidents than one screen holds: only the newest are here, and all of the area narrowed to. */
  const isCut = ref(false);
  /** The same of what the page is narrowed to: the list has not all of it. */
  const isCutHere = ref(false);
  const isReadingMore = ref(false);
  let narrowedTo: string | null = null;
  /** A screen at first; somebody asked for more of this view. */
  let screens = 1;

  let camerasReadAtMs = Date.now();
  const ofFleet: FleetEvent[] = [];
  let gathering: ReturnType<typeof setTimeout> | undefined;
  let soon: ReturnType<typeof setTimeout> | undefined;

  function take(incident: Incident): void {
    const known = incidents.get(incident.incident_id);
    if (known && known.version > incident.version) return;
    if (incident.state === "closed") {
      if (incidents.delete(incident.incident_id)) closedTick.value += 1;
      lastClosed.value = incident;
    } else incidents.set(incident.incident_id, incident);
  }

  // What the stream told while a list was on its way: that list is older than it, whatever it holds.
  const readings = new Set<Set<string>>();
  const fleetReadings = new Set<FleetEvent[]>();
  let isGone = false;

  function onEvent(event: CentreEvent): void {
    if (event.kind === "incident") {
      for (const told of readings) told.add(event.incident.incident_id);
      take(event.incident);
    } else if (event.kind === "camera" || event.kind === "camera_gone" || event.kind === "node") {
      ofFleet.push(event);
      for (const told of fleetReadings) told.push(event);
      gathering ??= setTimeout(takeTold, GATHER_MS);
    }
  }

  /** Thirty thousand cameras that come up are told one by one, and counted and drawn together. */
  function takeTold(): void {
    gathering = undefined;
    ofFleet.splice(0).forEach(takeOfFleet);
  }

  function takeOfFleet(event: FleetEvent): void {
    if (event.kind === "camera") {
      cameras.set(event.camera.camera_id, { ...cameras.get(event.camera.camera_id), ...event.camera });
    } else if (event.kind === "camera_gone") cameras.delete(event.camera_gone.camera_id);
    else nodes.set(event.node.node_id, { ...nodes.get(event.node.node_id), ...event.node });
  }

  /** A list, and what was told while it was on its way: that is newer. Null: no list came. */
  async function readBeside<T>(read: () => Promise<T>): Promise<{ list: T; told: FleetEvent[] } | null> {
    const told: FleetEvent[] = [];
    fleetReadings.add(told);
    const list = await read().catch(() => null);
    fleetReadings.delete(told);
    return list === null ? null : { list, told };
  }

  let lastReading = 0;
  async function readIncidents(): Promise<void> {
    const told = new Set<string>();
    readings.add(told);
    const mine = (lastReading += 1);
    try {
      const found = await readOpen();
      if (mine !== lastReading) return; // a later one knows more
      const open = new Set(found.map((incident) => incident.incident_id));
      for (const id of [...incidents.keys()]) if (!open.has(id) && !told.has(id)) incidents.delete(id);
      found.filter((incident) => !told.has(incident.incident_id)).forEach(take);
      hasFailed.value = false;
      isLoaded.value = true;
    } catch {
      hasFailed.value = !isLoaded.value;
    } finally {
      readings.delete(told);
    }
  }

  async function readOpen(): Promise<Incident[]> {
    const area = narrowedTo;
    const { items, isCut: hasMore } = await incidentCalls.allOpen(null, area === null ? screens : 1);
    const ofArea = hasMore && area !== null ? await incidentCalls.allOpen(area, screens).catch(() => null) : null;
    isCut.value = hasMore;
    isCutHere.value = hasMore && (area === null || ofArea === null || ofArea.isCut);
    return [...items, ...(ofArea?.items ?? [])];
  }

  /** What is looked at: where not everything is here, at least all of this area is. */
  function narrowTo(areaCode: string | null): void {
    if (areaCode !== narrowedTo) screens = 1;
    narrowedTo = areaCode;
    if (isCut.value) void readIncidents();
  }

  /** The next screen of what is looked at, behind the newest. */
  async function readMore(): Promise<void> {
    if (isReadingMore.value) return;
    isReadingMore.value = true;
    screens += 1;
    await readIncidents();
    isReadingMore.value = false;
  }

  async function readAreas(): Promise<void> {
    const answer = await places.areas().catch(() => null);
    if (answer) areas.value = answer.areas;
  }

  async function readCameras(): Promise<void> {
    const answer = await readBeside(places.cameras);
    if (isGone) return;
    if (!answer) return readCamerasWithin(CAMERAS_SPREAD_MS);
    const kept = new Set(answer.list.cameras.map((camera) => camera.camera_id));
    for (const id of [...cameras.keys()]) if (!kept.has(id)) cameras.delete(id);
    for (const camera of answer.list.cameras) cameras.set(camera.camera_id, camera);
    answer.told.filter((event) => event.kind !== "node").forEach(takeOfFleet);
    camerasReadAtMs = Date.now();
  }

  function readCamerasWithin(ms: number): void {
    clearTimeout(soon);
    soon = setTimeout(() => void readCameras(), Math.random() * ms);
  }

  async function readFleet(): Promise<void> {
    const answer = await readBeside(places.fleet);
    if (isGone) return;
    fleetKnown.value = answer !== null;
    if (answer) {
      const told = answer.told.filter((event) => event.kind === "node");
      const kept = new Set([...answer.list.nodes, ...told.map((event) => event.node)].map((node) => node.node_id));
      for (const id of [...nodes.keys()]) if (!kept.has(id)) nodes.delete(id);
      for (const node of answer.list.nodes) nodes.set(node.node_id, node);
      told.forEach(takeOfFleet);
    }
    if (Date.now() - camerasReadAtMs > CAMERAS_EVERY_MS) readCamerasWithin(CAMERAS_SPREAD_MS);
  }

  function readAll(): void {
    void readIncidents();
    void readAreas();
    void readFleet();
    void readCameras();
  }

  // Listening starts before reading: what changes in between is told, and the newer version wins.
  const stopListening = listen({
    onEvent,
    onResume: () => {
      void readIncidents();
      void readFleet();
      readCamerasWithin(CAMERAS_SPREAD_MS);
    },
  });
  const timer = setInterval(() => void readFleet(), FLEET_EVERY_MS);
  readAll();
  onScopeDispose(() => {
    isGone = true;
    stopListening();
    clearInterval(timer);
    clearTimeout(soon);
    clearTimeout(gathering);
  });

  return {
    incidents,
    areas,
    cameras,
    nodes,
    isLoaded,
    hasFailed,
    fleetKnown,
    closedTick,
    lastClosed,
    isCut,
    isCutHere,
    isReadingMore,
    readMore,
    narrowTo,
    readIncidents,
    drills: computed(() => [...incidents.values()].filter((incident) => incident.drill).length),
  };
}

export type Board = ReturnType<typeof useBoard>;

/** What the command page shows, kept current: open incidents, areas, cameras, nodes. */
import { computed, onScopeDispose, reactive, ref, shallowRef } from "vue";

import { incidents as incidentCalls, places } from "@/api/calls";
import type { Area, Camera, CentreEvent, FleetNode, Incident } from "@/api/types";

import { listen } from "./feed";

/** Nodes and cameras change rarely and the stream tells; this only mends what a missed event left behind. */
const FLEET_EVERY_MS = 30_000;

export function useBoard() {
  const incidents = reactive(new Map<string, Incident>());
  const areas = shallowRef<Area[]>([]);
  const cameras = reactive(new Map<string, Camera>());
  const nodes = reactive(new Map<string, FleetNode>());
  const isLoaded = ref(false);
  const hasFailed = ref(false);
  const fleetKnown = ref(false);
  const closedTick = ref(0);
  const lastClosed = shallowRef<Incident | null>(null);

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

  function onEvent(event: CentreEvent): void {
    if (event.kind === "incident") {
      for (const told of readings) told.add(event.incident.incident_id);
      take(event.incident);
    } else if (event.kind === "camera") {
      cameras.set(event.camera.camera_id, { ...cameras.get(event.camera.camera_id), ...event.camera });
    } else if (event.kind === "node") nodes.set(event.node.node_id, { ...nodes.get(event.node.node_id), ...event.node });
  }

  async function readIncidents(): Promise<void> {
    const told = new Set<string>();
    readings.add(told);
    try {
      const found = await incidentCalls.allOpen();
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

  async function readPlaces(): Promise<void> {
    const [areaAnswer, cameraAnswer] = await Promise.allSettled([places.areas(), places.cameras()]);
    if (areaAnswer.status === "fulfilled") areas.value = areaAnswer.value.areas;
    if (cameraAnswer.status === "fulfilled") takeCameras(cameraAnswer.value.cameras);
  }

  function takeCameras(found: Camera[]): void {
    for (const camera of found) cameras.set(camera.camera_id, camera);
  }

  async function readFleet(): Promise<void> {
    const [fleetAnswer, cameraAnswer] = await Promise.allSettled([places.fleet(), places.cameras()]);
    if (cameraAnswer.status === "fulfilled") takeCameras(cameraAnswer.value.cameras);
    fleetKnown.value = fleetAnswer.status === "fulfilled";
    if (fleetAnswer.status === "fulfilled") {
      nodes.clear();
      for (const node of fleetAnswer.value.nodes) nodes.set(node.node_id, node);
    }
  }

  function readAll(): void {
    void readIncidents();
    void readPlaces();
    void readFleet();
  }

  // Listening starts before reading: what changes in between is told, and the newer version wins.
  const stopListening = listen({
    onEvent,
    onResume: () => {
      void readIncidents();
      void readFleet();
    },
  });
  const timer = setInterval(() => void readFleet(), FLEET_EVERY_MS);
  readAll();
  onScopeDispose(() => {
    stopListening();
    clearInterval(timer);
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
    readIncidents,
    drills: computed(() => [...incidents.values()].filter((incident) => incident.drill).length),
  };
}

export type Board = ReturnType<typeof useBoard>;

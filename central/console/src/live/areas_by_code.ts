/** The areas by code, for their names: empty until they are read, and where they cannot be; codes stand there then. */
import { shallowRef, type ShallowRef } from "vue";

import { places } from "@/api/calls";
import type { Area } from "@/api/types";

export function useAreasByCode(): ShallowRef<ReadonlyMap<string, Area>> {
  const areas = shallowRef<ReadonlyMap<string, Area>>(new Map());
  void places.areas().then(
    (found) => (areas.value = new Map(found.areas.map((area) => [area.code, area]))),
    () => undefined,
  );
  return areas;
}

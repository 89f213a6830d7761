/**
 * What the centre answers, written by hand after the interface notes; to be generated from its OpenAPI later.
 * Times are ISO-8601 UTC text. A field added by a newer centre is ignored here. Each file is one room of the centre.
 */
export type * from "./types/accounts.ts";
export type * from "./types/areas.ts";
export type * from "./types/events.ts";
export type * from "./types/fleet.ts";
export type * from "./types/incidents.ts";
export type * from "./types/seats.ts";
export type * from "./types/silences.ts";
export type * from "./types/tasks.ts";

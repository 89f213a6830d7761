/** A masked still of what a camera shows now, asked for to draw its rules over it. */
import { ask } from "./http.ts";

export interface FreshStill {
  /** When the picture was taken; null: there is none. */
  observed_at: string | null;
  /** There was no picture: a code. */
  why: string | null;
  /** JPEG, base64. */
  preview: string | null;
  /** There was a picture, and nothing of it is shown: a code. */
  no_picture: string | null;
  /** The still in full: the camera's newest, once it has come. */
  still_sha256: string | null;
  frame_size_wh: [number, number] | null;
  /** The view that it shows; null: none of them, or they are not told apart. */
  view_id: string | null;
  /** Of the camera; empty: it stands still; null: its node does not say. */
  views: { view_id: string; name: string; state: string | null }[] | null;
}

export const takeStill = (cameraId: string, signal: AbortSignal) =>
  ask<FreshStill>(`/api/cameras/${encodeURIComponent(cameraId)}/still`, {}, signal);

/**
 * Photographs and voice notes on the worker's phone: kept on the device before anything is sent, and shown from there.
 * Sending them, with the acts that they belong to, is `live/phone.ts`.
 */
import { reactive, ref, shallowRef } from "vue";

import { preparePhoto } from "@/api/photos";
import { sha256Hex } from "@/api/sha256";
import { keptHere } from "@/offline/device";
import type { Kept, KeptPhoto, PhotoPart, VoicePart } from "@/offline/kept";

import { user } from "./account";
import { now } from "./now";

export const photos = shallowRef<KeptPhoto[]>([]);
export const progress = reactive(new Map<string, number>());
export const previews = reactive(new Map<string, string>());
/** The device did not take the last act or photograph: it is full, or forbids it. */
export const hasLost = ref(false);

let kept: Kept | null = null;

export const mineOf = <One extends { userId: string }>(all: One[]): One[] =>
  all.filter((one) => one.userId === user.value?.user_id);

/** `from`: where this session keeps them. */
export function startFiles(from: Kept): void {
  kept = from;
}

/** All that are kept now, as the device tells it. */
export function takeFiles(all: KeptPhoto[]): void {
  photos.value = mineOf(all);
  forgetPreviews();
}

/** The session is over: nothing of them stays on the page. */
export function endFiles(): void {
  kept = null;
  progress.clear();
  takeFiles([]);
}

/**
 * `said`: the lines that are drawn into it. `prepared`: what it will be kept as, before it is. Throws PhotoRefused when
 * the file is no picture, or too large for a phone.
 */
export async function addPhoto(
  taskId: string,
  part: PhotoPart,
  file: Blob,
  said: readonly string[],
  prepared?: (sha256: string) => void,
): Promise<void> {
  const { bytes, sha256 } = await preparePhoto(file, said);
  prepared?.(sha256);
  await keepFile({ sha256, taskId, part }, bytes, "image/jpeg");
}

/** A voice note, as the browser recorded it. */
export async function addVoice(taskId: string, part: VoicePart, sound: Blob, lengthS: number): Promise<void> {
  const bytes = new Uint8Array(await sound.arrayBuffer());
  const type = sound.type.split(";")[0] ?? sound.type; // the codec is in the file
  await keepFile({ sha256: await sha256Hex(bytes), taskId, part, type, lengthS }, bytes, type);
}

async function keepFile(
  what: Pick<KeptPhoto, "sha256" | "taskId" | "part" | "type" | "lengthS">,
  bytes: Uint8Array<ArrayBuffer>,
  type: string,
): Promise<void> {
  if (!user.value) return;
  const here = await keptHere();
  const about = { ...what, userId: user.value.user_id, bytes: bytes.length };
  const photo = { ...about, at: new Date(now.value).toISOString(), received: false, refused: null };
  await here.addPhoto(photo, bytes).catch((error: unknown) => {
    hasLost.value = true;
    throw error;
  });
  photos.value = mineOf(await here.photos());
  previews.set(what.sha256, URL.createObjectURL(new Blob([bytes], { type })));
}

/** A preview of a photograph of an earlier page, while its bytes are still here. */
export async function openPreview(sha256: string): Promise<void> {
  if (previews.has(sha256)) return;
  const bytes = await kept?.photoBytes(sha256);
  const type = photos.value.find((one) => one.sha256 === sha256)?.type ?? "image/jpeg";
  if (bytes) previews.set(sha256, URL.createObjectURL(new Blob([bytes], { type })));
}

export async function dropPhoto(sha256: string): Promise<void> {
  await kept?.dropPhotos([sha256]);
}

/** Of photographs that are on the device no more. */
function forgetPreviews(): void {
  const there = new Set(photos.value.map((photo) => photo.sha256));
  for (const [sha256, address] of previews) {
    if (there.has(sha256)) continue;
    URL.revokeObjectURL(address);
    previews.delete(sha256);
  }
}

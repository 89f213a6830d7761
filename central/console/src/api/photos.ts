/** A photograph from the phone's camera, made small, or a voice note: named by its hash, sent in pieces that a break does not undo. */
import { burnIn, stripOf } from "./burnt.ts";
import { PhotoRefused, checkPicture } from "./picture_files.ts";
import { ApiProblem, NoAnswer, asProblem, csrfToken, isStaleToken, renewToken, signedOut } from "./http.ts";
import { sha256Hex } from "./sha256.ts";

export const LONGEST_EDGE_PX = 1600;
const JPEG_QUALITY = 0.82;
const SEND_TIMEOUT_MS = 120_000; // 400 kB at 2G speed
const ASK_TIMEOUT_MS = 15_000;
/** What a break costs at most; 13 s at 40 kbit/s, and one request a piece on a good network. */
export const PIECE_BYTES = 64 * 1024;

export interface PreparedPhoto {
  bytes: Uint8Array<ArrayBuffer>;
  sha256: string;
}

/**
 * Redraws the picture (so no EXIF, no position leaves the phone) with its longest edge at most LONGEST_EDGE_PX, and the
 * lines `said` in a strip below it. Throws PhotoRefused before anything is decoded that a weak phone could not.
 */
export async function preparePhoto(file: Blob, said: readonly string[]): Promise<PreparedPhoto> {
  const what = await checkPicture(file);
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => {
    throw new PhotoRefused("no_picture", what);
  });
  const scale = Math.min(1, LONGEST_EDGE_PX / Math.max(bitmap.width, bitmap.height));
  const strip = stripOf(said, Math.max(1, Math.round(bitmap.width * scale)));
  const height = Math.max(1, Math.round((bitmap.height * strip.width) / bitmap.width));
  const canvas = document.createElement("canvas");
  canvas.width = strip.width;
  canvas.height = height + strip.height;
  const context = canvas.getContext("2d");
  if (!context) throw new Error("no canvas");
  context.drawImage(bitmap, 0, 0, strip.width, height);
  bitmap.close();
  burnIn(context, strip, height);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY));
  if (!blob) throw new Error("the picture could not be encoded");
  const bytes = new Uint8Array(await blob.arrayBuffer());
  return { bytes, sha256: await sha256Hex(bytes) };
}

/** A voice note goes where a photograph does not, and the same way. */
const whereOf = (sha256: string, type: string): string =>
  `/api/${type.startsWith("audio/") ? "voices" : "photos"}/${sha256}`;

/** Sends what the centre has not got of it yet. `onProgress` gets 0 to 1. Throws ApiProblem or NoAnswer. */
export async function sendPhoto(
  sha256: string,
  bytes: Uint8Array<ArrayBuffer>,
  onProgress: (share: number) => void,
  type = "image/jpeg",
): Promise<void> {
  let from = await receivedOf(whereOf(sha256, type), bytes.length);
  while (from < bytes.length) {
    const to = Math.min(bytes.length, from + PIECE_BYTES);
    await sendPiece(whereOf(sha256, type), type, bytes, from, to, onProgress);
    from = to;
  }
  onProgress(1);
}

/** How many of its bytes the centre has: all, the first pieces, or none. */
async function receivedOf(where: string, size: number): Promise<number> {
  let response: Response;
  try {
    response = await fetch(where, {
      method: "HEAD",
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
    });
  } catch (error) {
    throw new NoAnswer(error);
  }
  if (response.status === 200) return size;
  if (response.status === 401) signedOut();
  if (!response.ok) throw problemOf(response.status, null);
  const received = Number(response.headers.get("X-Received-Bytes") ?? 0);
  return Number.isInteger(received) && received > 0 && received < size ? received : 0;
}

/** XMLHttpRequest, because fetch cannot tell how much of a body has left. */
function sendPiece(
  where: string,
  type: string,
  bytes: Uint8Array<ArrayBuffer>,
  from: number,
  to: number,
  onProgress: (share: number) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", where);
    request.timeout = SEND_TIMEOUT_MS;
    request.setRequestHeader("Content-Type", type);
    const sentWith = csrfToken();
    request.setRequestHeader("X-CSRF-Token", sentWith);
    if (from > 0 || to < bytes.length) {
      request.setRequestHeader("Content-Range", `bytes ${from}-${to - 1}/${bytes.length}`);
    }
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress((from + event.loaded) / bytes.length);
    };
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) return resolve();
      if (request.status === 401) signedOut();
      const refused = problemOf(request.status, request.responseText);
      if (!(refused instanceof ApiProblem) || !isStaleToken(refused.status, refused.problem)) return reject(refused);
      return void renewToken(sentWith).finally(() => reject(new NoAnswer(refused))); // the next pass has the new token
    };
    request.onerror = request.ontimeout = () => reject(new NoAnswer("photo not sent"));
    request.send(bytes.slice(from, to));
  });
}

/** 502 to 504: a proxy without a centre behind it. 409: the pieces do not fit; asking anew tells what to send. */
function problemOf(status: number, text: string | null): Error {
  if (status === 409 || (status >= 502 && status <= 504)) return new NoAnswer(status);
  return new ApiProblem(status, asProblem(text === null ? null : parsed(text), status));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

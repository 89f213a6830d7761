/** A photograph from the phone's camera: made small, named by its hash, sent. Nothing is kept in browser storage. */
import { ApiProblem, NoAnswer, asProblem, csrfToken, signedOut } from "./http.ts";
import { sha256Hex } from "./sha256.ts";

export const LONGEST_EDGE_PX = 1600;
const JPEG_QUALITY = 0.82;
const SEND_TIMEOUT_MS = 120_000; // 400 kB at 2G speed

export interface PreparedPhoto {
  blob: Blob;
  sha256: string;
}

/** Redraws the picture (so no EXIF, no position leaves the phone) with its longest edge at most LONGEST_EDGE_PX. */
export async function preparePhoto(file: Blob): Promise<PreparedPhoto> {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, LONGEST_EDGE_PX / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  if (!context) throw new Error("no canvas");
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY));
  if (!blob) throw new Error("the picture could not be encoded");
  return { blob, sha256: await sha256Hex(new Uint8Array(await blob.arrayBuffer())) };
}

/** XMLHttpRequest, because fetch cannot tell how much of a body has left. `onProgress` gets 0 to 1. */
export function sendPhoto(photo: PreparedPhoto, onProgress: (share: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `/api/photos/${photo.sha256}`);
    request.timeout = SEND_TIMEOUT_MS;
    request.setRequestHeader("Content-Type", "image/jpeg");
    request.setRequestHeader("X-CSRF-Token", csrfToken());
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    };
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) return resolve();
      if (request.status === 401) signedOut();
      if (request.status >= 502 && request.status <= 504) return reject(new NoAnswer(request.status));
      return reject(new ApiProblem(request.status, asProblem(parsed(request.responseText), request.status)));
    };
    request.onerror = request.ontimeout = () => reject(new NoAnswer("photo not sent"));
    request.send(photo.blob);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

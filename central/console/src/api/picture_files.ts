/**
 * What a chosen file is, by its first bytes and not by its name, before a phone decodes it: a weak one that unpacks a
 * huge picture, or tries to, loses the page.
 */

/** A phone of 2 GB decodes 50 million pixels (200 MB); most cameras give 12 million and 3 to 8 MB. */
export const MOST_BYTES = 30 * 1024 * 1024;
export const MOST_PIXELS = 50_000_000;
/** The size of a JPEG stands behind its EXIF, thumbnail and all. */
const HEAD_BYTES = 512 * 1024;

export type FileKind = "jpeg" | "png" | "webp" | "gif" | "heic" | "avif" | "pdf" | "video" | "empty" | "other";

export interface FileFacts {
  kind: FileKind;
  bytes: number;
  /** Null: its header does not say, or is not read here. */
  size: { width: number; height: number } | null;
}

const PICTURES: ReadonlySet<FileKind> = new Set(["jpeg", "png", "webp", "gif", "heic", "avif"]);

/** `why`: too large to be decoded on a phone, or no picture that this browser can show. */
export class PhotoRefused extends Error {
  readonly why: "too_large" | "no_picture";
  readonly facts: FileFacts;

  constructor(why: "too_large" | "no_picture", facts: FileFacts) {
    super(`${why}: ${facts.kind}, ${facts.bytes} bytes`);
    this.why = why;
    this.facts = facts;
  }
}

/** Throws PhotoRefused for what must not be decoded. */
export async function checkPicture(file: Blob): Promise<FileFacts> {
  const facts = factsOf(new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer()), file.size);
  if (!PICTURES.has(facts.kind)) throw new PhotoRefused("no_picture", facts);
  const pixels = facts.size ? facts.size.width * facts.size.height : 0;
  if (file.size > MOST_BYTES || pixels > MOST_PIXELS) throw new PhotoRefused("too_large", facts);
  return facts;
}

/** Pure. `head`: the first bytes of the file. */
export function factsOf(head: Uint8Array, bytes: number): FileFacts {
  const kind = kindOf(head);
  return { kind, bytes, size: sizeOf(kind, head) };
}

function kindOf(head: Uint8Array): FileKind {
  if (head.length === 0) return "empty";
  if (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) return "jpeg";
  const text = (from: number, length: number): string => String.fromCharCode(...head.subarray(from, from + length));
  if (text(0, 8) === "\x89PNG\r\n\x1a\n") return "png";
  if (text(0, 4) === "RIFF" && text(8, 4) === "WEBP") return "webp";
  if (/^GIF8[79]a$/.test(text(0, 6))) return "gif";
  if (text(0, 5) === "%PDF-") return "pdf";
  if (text(4, 4) === "ftyp") return ofBrand(text(8, 4));
  return "other";
}

function ofBrand(brand: string): FileKind {
  if (/^(hei|hev|mif1|msf1)/.test(brand)) return "heic";
  return brand.startsWith("avi") ? "avif" : "video";
}

function sizeOf(kind: FileKind, head: Uint8Array): { width: number; height: number } | null {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (kind === "png" && head.length >= 24) return { width: view.getUint32(16), height: view.getUint32(20) };
  return kind === "jpeg" ? sizeOfJpeg(view) : null;
}

/** From segment to segment until the frame header; null when it lies behind what was read. */
function sizeOfJpeg(view: DataView): { width: number; height: number } | null {
  let at = 2;
  while (at + 9 <= view.byteLength && view.getUint8(at) === 0xff) {
    const marker = view.getUint8(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    at += 2 + view.getUint16(at + 2);
  }
  return null;
}

/**
 * What a phone keeps: unsent acts and photographs, and the text of the tasks last seen. All of it belongs to one person.
 * `kept_in_browser.ts` is the real one; the one in memory serves tests, and browsers that offer no storage.
 */
import type { Task, User } from "../api/types.ts";
import { afterUndone, filesOf, type Act, type NewAct } from "./acts.ts";
import { heldForMs } from "./holding.ts";

export type PhotoPart = "before" | "after" | "report";
/** A voice note belongs to one text field: what was done, the reason of another act, or an own report. */
export type VoicePart = "voice-handled" | "voice-reason" | "voice-report";

/** A photograph taken for a task, or a voice note spoken for it; its bytes lie apart, and go once the centre has them. */
export interface KeptPhoto {
  sha256: string;
  userId: string;
  taskId: string;
  part: PhotoPart | VoicePart;
  /** Media type; absent: a JPEG. */
  type?: string;
  /** Of a voice note. */
  lengthS?: number;
  at: string;
  bytes: number;
  received: boolean;
  /** The centre will never take it, and why. */
  refused: string | null;
}

export interface Owner {
  user: User;
  /** When the centre last said that the session stands. */
  at: string;
}

export interface SeenTasks {
  at: string;
  tasks: Task[];
}

export interface Kept {
  /** False: in memory only, gone with the page. */
  readonly isLasting: boolean;
  acts(): Promise<Act[]>;
  addAct(act: NewAct): Promise<void>;
  /** In one step: takes these acts off the list and writes those that are still on it. */
  changeActs(sent: readonly number[], changed: readonly Act[]): Promise<void>;
  /**
   * In one step: takes the act off the list if it is still held at that moment, and lets those after it follow on what
   * was before it; null when it is not.
   */
  undoAct(n: number, nowMs: () => number): Promise<Act | null>;
  photos(): Promise<KeptPhoto[]>;
  addPhoto(photo: KeptPhoto, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Null when they are lost: the browser cleared its storage, or a page without storage was closed. */
  photoBytes(sha256: string): Promise<Uint8Array<ArrayBuffer> | null>;
  /** The centre has it: its bytes go. */
  photoReceived(sha256: string): Promise<void>;
  photoRefused(sha256: string, why: string): Promise<void>;
  dropPhotos(sha256s: readonly string[]): Promise<void>;
  seenTasks(): Promise<SeenTasks | null>;
  putSeenTasks(seen: SeenTasks): Promise<void>;
  forgetTasks(): Promise<void>;
  owner(): Promise<Owner | null>;
  putOwner(owner: Owner): Promise<void>;
  wipe(): Promise<void>;
  /** Calls back now and after every change of acts or photographs, also one by another tab. */
  watch(told: (acts: Act[], photos: KeptPhoto[]) => void): () => void;
}

/** Photographs and voice notes that no act takes along yet. */
export function looseOf(photos: readonly KeptPhoto[], acts: readonly Act[]): KeptPhoto[] {
  const taken = new Set(acts.flatMap(filesOf));
  return photos.filter((photo) => !taken.has(photo.sha256));
}

/** Text only: no picture of a place is kept on a phone, not even its name, and no telephone number of a lane's unit. */
export function asKept({ lanes: _lanes, report_photos: _photos, ...task }: Task): Task {
  return { ...task, incident: { ...task.incident, picture: null } };
}

export class KeptInMemory implements Kept {
  readonly isLasting: boolean = false;
  #n = 0;
  #acts = new Map<number, Act>();
  #photos = new Map<string, KeptPhoto>();
  #bytes = new Map<string, Uint8Array<ArrayBuffer>>();
  #seen: SeenTasks | null = null;
  #owner: Owner | null = null;
  #watchers = new Set<(acts: Act[], photos: KeptPhoto[]) => void>();

  async acts(): Promise<Act[]> {
    return [...this.#acts.values()].sort((a, b) => a.n - b.n);
  }

  async addAct(act: NewAct): Promise<void> {
    this.#n += 1;
    this.#acts.set(this.#n, { ...act, n: this.#n });
    this.#tell();
  }

  async changeActs(sent: readonly number[], changed: readonly Act[]): Promise<void> {
    for (const n of sent) this.#acts.delete(n);
    for (const act of changed) if (this.#acts.has(act.n)) this.#acts.set(act.n, act);
    this.#tell();
  }

  async undoAct(n: number, nowMs: () => number): Promise<Act | null> {
    const act = this.#acts.get(n);
    if (!act || heldForMs(act, nowMs()) === 0) return null;
    this.#acts.delete(n);
    for (const one of afterUndone(act, [...this.#acts.values()])) this.#acts.set(one.n, one);
    this.#tell();
    return act;
  }

  async photos(): Promise<KeptPhoto[]> {
    return [...this.#photos.values()].sort((a, b) => a.at.localeCompare(b.at));
  }

  async addPhoto(photo: KeptPhoto, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#photos.set(photo.sha256, photo);
    this.#bytes.set(photo.sha256, bytes);
    this.#tell();
  }

  async photoBytes(sha256: string): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#bytes.get(sha256) ?? null;
  }

  async photoReceived(sha256: string): Promise<void> {
    this.#change(sha256, { received: true });
  }

  async photoRefused(sha256: string, why: string): Promise<void> {
    this.#change(sha256, { refused: why });
  }

  async dropPhotos(sha256s: readonly string[]): Promise<void> {
    for (const sha256 of sha256s) {
      this.#photos.delete(sha256);
      this.#bytes.delete(sha256);
    }
    this.#tell();
  }

  async seenTasks(): Promise<SeenTasks | null> {
    return this.#seen;
  }

  async putSeenTasks(seen: SeenTasks): Promise<void> {
    this.#seen = { at: seen.at, tasks: seen.tasks.map(asKept) };
  }

  async forgetTasks(): Promise<void> {
    this.#seen = null;
  }

  async owner(): Promise<Owner | null> {
    return this.#owner;
  }

  async putOwner(owner: Owner): Promise<void> {
    this.#owner = owner;
  }

  async wipe(): Promise<void> {
    this.#acts.clear();
    this.#photos.clear();
    this.#bytes.clear();
    this.#seen = this.#owner = null;
    this.#tell();
  }

  watch(told: (acts: Act[], photos: KeptPhoto[]) => void): () => void {
    this.#watchers.add(told);
    void this.#tellOne(told);
    return () => this.#watchers.delete(told);
  }

  #change(sha256: string, change: Partial<KeptPhoto>): void {
    const photo = this.#photos.get(sha256);
    if (photo) this.#photos.set(sha256, { ...photo, ...change });
    this.#bytes.delete(sha256);
    this.#tell();
  }

  #tell(): void {
    for (const told of this.#watchers) void this.#tellOne(told);
  }

  async #tellOne(told: (acts: Act[], photos: KeptPhoto[]) => void): Promise<void> {
    told(await this.acts(), await this.photos());
  }
}

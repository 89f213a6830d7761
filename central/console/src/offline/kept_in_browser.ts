/**
 * What a phone keeps, in IndexedDB by Dexie: it survives a reload and a killed browser.
 *
 * Photographs lie there encrypted (AES-GCM) under a key that scripts cannot read out. It guards against whoever copies
 * single records out of the storage, and wiping the key makes what a disk still holds unreadable; it does not guard
 * against whoever has the unlocked phone. On plain http browsers offer no such keys: photographs then stay in memory.
 */
import Dexie, { liveQuery, type EntityTable, type Table } from "dexie";

import { afterUndone, type Act, type NewAct } from "./acts.ts";
import { heldForMs } from "./holding.ts";
import { asKept, type Kept, type KeptPhoto, type Owner, type SeenTasks } from "./kept.ts";

const NAME = "xueliang-phone";

interface SealedBytes {
  sha256: string;
  iv: Uint8Array<ArrayBuffer>;
  sealed: ArrayBuffer;
}

type Single = { id: "owner"; owner: Owner } | { id: "seen"; seen: SeenTasks } | { id: "key"; key: CryptoKey };

type Tables = Dexie & {
  acts: EntityTable<Act, "n">;
  photos: EntityTable<KeptPhoto, "sha256">;
  bytes: EntityTable<SealedBytes, "sha256">;
  singles: Table<Single, Single["id"]>;
};

export class KeptInBrowser implements Kept {
  readonly isLasting: boolean = true;
  readonly #db: Tables;
  readonly #unsealed = new Map<string, Uint8Array<ArrayBuffer>>(); // plain http only

  private constructor(db: Tables) {
    this.#db = db;
  }

  /** Throws where the browser offers no storage. */
  static async open(): Promise<KeptInBrowser> {
    const db = new Dexie(NAME) as Tables;
    db.version(1).stores({ acts: "++n", photos: "sha256", bytes: "sha256", singles: "id" });
    await db.open();
    return new KeptInBrowser(db);
  }

  static async isThere(): Promise<boolean> {
    return Dexie.exists(NAME).catch(() => false);
  }

  async acts(): Promise<Act[]> {
    return this.#db.acts.orderBy("n").toArray();
  }

  async addAct(act: NewAct): Promise<void> {
    await this.#db.acts.add(act);
  }

  async changeActs(sent: readonly number[], changed: readonly Act[]): Promise<void> {
    await this.#db.transaction("rw", this.#db.acts, async () => {
      await this.#db.acts.bulkDelete([...sent]);
      const there = new Set(await this.#db.acts.toCollection().primaryKeys());
      await this.#db.acts.bulkPut(changed.filter((act) => there.has(act.n)));
    });
  }

  async undoAct(n: number, nowMs: () => number): Promise<Act | null> {
    return this.#db.transaction("rw", this.#db.acts, async () => {
      const act = await this.#db.acts.get(n);
      if (!act || heldForMs(act, nowMs()) === 0) return null;
      await this.#db.acts.delete(n);
      await this.#db.acts.bulkPut(afterUndone(act, await this.#db.acts.toArray()));
      return act;
    });
  }

  async photos(): Promise<KeptPhoto[]> {
    return (await this.#db.photos.toArray()).sort((a, b) => a.at.localeCompare(b.at));
  }

  async addPhoto(photo: KeptPhoto, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const key = await this.#key();
    if (!key) {
      this.#unsealed.set(photo.sha256, bytes);
      await this.#db.photos.put(photo);
      return;
    }
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, bytes);
    await this.#db.transaction("rw", this.#db.photos, this.#db.bytes, async () => {
      await this.#db.bytes.put({ sha256: photo.sha256, iv, sealed });
      await this.#db.photos.put(photo);
    });
  }

  async photoBytes(sha256: string): Promise<Uint8Array<ArrayBuffer> | null> {
    const found = await this.#db.bytes.get(sha256);
    const key = found ? await this.#key() : null;
    if (!found || !key) return this.#unsealed.get(sha256) ?? null;
    try {
      return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv: found.iv }, key, found.sealed));
    } catch {
      return null; // damaged, or sealed under a key that is gone
    }
  }

  async photoReceived(sha256: string): Promise<void> {
    await this.#changePhoto(sha256, { received: true });
  }

  async photoRefused(sha256: string, why: string): Promise<void> {
    await this.#changePhoto(sha256, { refused: why });
  }

  async dropPhotos(sha256s: readonly string[]): Promise<void> {
    sha256s.forEach((sha256) => this.#unsealed.delete(sha256));
    await this.#db.transaction("rw", this.#db.photos, this.#db.bytes, async () => {
      await this.#db.photos.bulkDelete([...sha256s]);
      await this.#db.bytes.bulkDelete([...sha256s]);
    });
  }

  async seenTasks(): Promise<SeenTasks | null> {
    const found = await this.#db.singles.get("seen");
    return found && "seen" in found ? found.seen : null;
  }

  async putSeenTasks(seen: SeenTasks): Promise<void> {
    // By way of JSON: what a page shows is made of proxies, which cannot be stored.
    const tasks = JSON.parse(JSON.stringify(seen.tasks.map(asKept))) as SeenTasks["tasks"];
    await this.#db.singles.put({ id: "seen", seen: { at: seen.at, tasks } });
  }

  async forgetTasks(): Promise<void> {
    await this.#db.singles.delete("seen");
  }

  async owner(): Promise<Owner | null> {
    const found = await this.#db.singles.get("owner");
    return found && "owner" in found ? found.owner : null;
  }

  async putOwner(owner: Owner): Promise<void> {
    await this.#db.singles.put({ id: "owner", owner: JSON.parse(JSON.stringify(owner)) as Owner });
  }

  async wipe(): Promise<void> {
    this.#unsealed.clear();
    await this.#db.transaction("rw", this.#db.tables, () => Promise.all(this.#db.tables.map((table) => table.clear())));
  }

  watch(told: (acts: Act[], photos: KeptPhoto[]) => void): () => void {
    const both = liveQuery(() => Promise.all([this.acts(), this.photos()]));
    const watching = both.subscribe({ next: ([acts, photos]) => told(acts, photos), error: () => undefined });
    return () => watching.unsubscribe();
  }

  async #changePhoto(sha256: string, change: Partial<KeptPhoto>): Promise<void> {
    this.#unsealed.delete(sha256);
    await this.#db.transaction("rw", this.#db.photos, this.#db.bytes, async () => {
      await this.#db.photos.update(sha256, change);
      await this.#db.bytes.delete(sha256);
    });
  }

  async #key(): Promise<CryptoKey | null> {
    if (!globalThis.crypto?.subtle) return null;
    const found = await this.#db.singles.get("key");
    if (found && "key" in found) return found.key;
    const made = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
    return this.#db.transaction("rw", this.#db.singles, async () => {
      const meanwhile = await this.#db.singles.get("key"); // another tab was faster
      if (meanwhile && "key" in meanwhile) return meanwhile.key;
      await this.#db.singles.put({ id: "key", key: made });
      return made;
    });
  }
}

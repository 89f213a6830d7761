/**
 * Tells the centre that this device has what its person was told: with that nobody is called about it any further.
 *
 * Only while the page can be seen: a tab in the background, or a phone in the pocket, is nobody who knows. What could not
 * be told is told later; what the centre does not know (any more) is forgotten.
 */
export interface ReceiptCalls {
  unreceived(): Promise<string[]>;
  /** Rejects when the centre is away. False: there is no such notice of this person. */
  received(noticeId: string): Promise<boolean>;
}

export class Receipts {
  readonly #calls: ReceiptCalls;
  readonly #isVisible: () => boolean;
  readonly #waiting = new Set<string>();
  #isTelling = false;

  constructor(calls: ReceiptCalls, isVisible: () => boolean) {
    this.#calls = calls;
    this.#isVisible = isVisible;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** The stream has told this notice. */
  async take(noticeId: string): Promise<void> {
    this.#waiting.add(noticeId);
    await this.tell();
  }

  /** The stream was away: what was told meanwhile. */
  async catchUp(): Promise<void> {
    try {
      for (const noticeId of await this.#calls.unreceived()) this.#waiting.add(noticeId);
    } catch {
      return; // the next opening asks again
    }
    await this.tell();
  }

  /** Everything that waits, if somebody can see this page. */
  async tell(): Promise<void> {
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      for (const noticeId of this.#waiting) {
        if (!this.#isVisible()) return;
        await this.#calls.received(noticeId);
        this.#waiting.delete(noticeId);
      }
    } catch {
      // The centre is away: told when the stream is open again.
    } finally {
      this.#isTelling = false;
    }
  }

  /** Somebody else's from now on. */
  forget(): void {
    this.#waiting.clear();
  }
}

/** Server-sent events out of text chunks, comments included: a comment is the centre's sign of life. */
export interface SseMessage {
  event: string;
  data: string;
  id: string | null;
}

export class SseParser {
  #rest = "";
  #event = "";
  #data: string[] = [];
  #id: string | null = null;

  /** Feed a chunk; returns the messages it completed. Chunks may break anywhere, also between CR and LF. */
  push(chunk: string): SseMessage[] {
    const text = this.#rest + chunk;
    const endsInCr = text.endsWith("\r");
    const lines = (endsInCr ? text.slice(0, -1) : text).split(/\r\n|\n|\r/);
    this.#rest = (lines.pop() ?? "") + (endsInCr ? "\r" : "");
    const messages: SseMessage[] = [];
    for (const line of lines) {
      const message = this.#take(line);
      if (message) messages.push(message);
    }
    return messages;
  }

  #take(line: string): SseMessage | null {
    if (line === "") return this.#finish();
    if (line.startsWith(":")) return null;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    return null;
  }

  #finish(): SseMessage | null {
    const message = { event: this.#event || "message", data: this.#data.join("\n"), id: this.#id };
    const isEmpty = this.#data.length === 0;
    this.#event = "";
    this.#data = [];
    this.#id = null;
    return isEmpty ? null : message;
  }
}

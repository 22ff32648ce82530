import { once } from "node:events";
import type { Socket } from "node:net";

/** How long a test waits for bytes or a close that should come at once. Only a failing test ever waits this long. */
export const PATIENCE_MS = 20_000;

export type CloseKind = "open" | "half-closed" | "closed" | "reset";

/** One TCP connection with everything it received, and waits that end by an event or fail saying what was seen. */
export class Wire {
  readonly socket: Socket;
  /** Every byte received so far, as latin1. */
  received = "";
  /** What the peer did to the connection: `half-closed` is a FIN while our side is still open. */
  state: CloseKind = "open";
  /** The part of `received` that a read has already handed out. */
  #consumed = 0;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding("latin1");
    socket.on("data", (text) => {
      this.received += text;
    });
    socket.on("end", () => {
      if (this.state === "open") this.state = "half-closed";
    });
    socket.on("error", () => {
      this.state = "reset";
    });
    socket.on("close", () => {
      if (this.state !== "reset") this.state = "closed";
    });
  }

  get unread(): string {
    return this.received.slice(this.#consumed);
  }

  consume(length: number): void {
    this.#consumed += length;
  }

  /** Writes raw bytes, each argument in its own TCP segment as far as the kernel allows. */
  async write(...pieces: readonly string[]): Promise<void> {
    for (const [index, piece] of pieces.entries()) {
      if (index > 0) await new Promise((resolve) => setTimeout(resolve, 5));
      if (!this.socket.destroyed) this.socket.write(piece, "latin1");
    }
  }

  /** Half-close: FIN after what was written. */
  end(): void {
    this.socket.end();
  }

  close(): void {
    this.socket.destroy();
  }

  /** RST instead of FIN. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Waits until `look` finds something, looking again whenever bytes come or the peer closes. */
  async until<T>(what: string, look: (wire: this) => T | undefined): Promise<T> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      const found = look(this);
      if (found !== undefined) return found;
      // Behind a FIN nothing more can come.
      if (this.state !== "open" || deadline.aborted) {
        throw new Error(
          `no ${what}: connection ${this.state}, unread ${JSON.stringify(this.unread)}`,
        );
      }
      await this.#change(deadline);
    }
  }

  /** Waits for the peer's FIN or RST and says which. */
  async ended(): Promise<Exclude<CloseKind, "open">> {
    return this.until("close by the peer", (wire) =>
      wire.state === "open" ? undefined : wire.state,
    );
  }

  /** Waits until `text` was received after what was read so far, and consumes through it. */
  async readThrough(text: string): Promise<string> {
    return this.until(JSON.stringify(text), (wire) => {
      const at = wire.unread.indexOf(text);
      if (at < 0) return undefined;
      const result = wire.unread.slice(0, at + text.length);
      wire.consume(result.length);
      return result;
    });
  }

  async #change(deadline: AbortSignal): Promise<void> {
    const settled = new AbortController();
    const signal = AbortSignal.any([settled.signal, deadline]);
    const events = ["data", "end", "close", "error"].map((event) =>
      once(this.socket, event, { signal }),
    );
    // An error event rejects `once`, and so does the deadline: both only mean "look again".
    await Promise.race(events).catch(() => undefined);
    settled.abort();
    await Promise.allSettled(events);
  }
}

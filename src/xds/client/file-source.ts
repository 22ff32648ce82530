import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { type Watch, watchMoves } from "#lib/watch-moves.ts";
import type {
  ConnectionState,
  Interest,
  ResourceClient,
  Subscriber,
  Subscription,
  TypeDump,
} from "../subscriber.ts";
import { type TextSourceServices, TextStore } from "./text-source.ts";

export interface FileSourceOptions extends TextSourceServices {
  readonly path: string;
  /** Moves in it are looked at instead of moves of the file itself. */
  readonly watchedDirectory: string | undefined;
}

/** A DiscoveryResponse in a file, read again when it is moved into place. */
export class FileSource implements ResourceClient {
  readonly #options: FileSourceOptions;
  readonly #text: TextStore;
  #state: ConnectionState = "waiting";
  #watch: Watch | undefined;
  /** One read after the other, so that an older file never wins. */
  #reading: Promise<void> = Promise.resolve();
  #waiting = false;

  constructor(options: FileSourceOptions) {
    this.#options = options;
    this.#text = new TextStore(options, () => this.#onInterest());
  }

  get state(): ConnectionState {
    return this.#state;
  }

  subscribe(subscriber: Subscriber, interest: Interest): Subscription {
    return this.#text.store.subscribe(subscriber, interest);
  }

  start(): void {
    if (this.#state !== "waiting") return;
    this.#state = "connecting";
    const { path, watchedDirectory: directory = dirname(path), type, log } = this.#options;
    const name = this.#options.watchedDirectory === undefined ? basename(path) : undefined;
    this.#watch = watchMoves(directory, name, {
      onMove: () => this.#reread(),
      onBroken: (error) => log("warn", `${type.name}: cannot watch ${directory}: ${String(error)}`),
    });
    this.#reread();
  }

  close(): void {
    this.#state = "closed";
    this.#watch?.close();
    this.#text.store.close();
  }

  dump(): readonly TypeDump[] {
    return this.#text.store.dump();
  }

  /** A name that nobody had asked for was not looked at. */
  #onInterest(): void {
    if (this.#state === "connected") this.#reread();
  }

  #reread(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#reading = this.#reading.then(() => {
      this.#waiting = false;
      return this.#state === "closed" ? undefined : this.#read();
    });
  }

  async #read(): Promise<void> {
    const { path, type } = this.#options;
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      // Moved away: what comes in its place is a move of its own.
      this.#text.store.failed(`${type.name}: ${path} cannot be read: ${reason}`);
      return;
    }
    this.#state = "connected";
    await this.#text.take(path, text);
  }
}

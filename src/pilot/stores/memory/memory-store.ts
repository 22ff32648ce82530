import type { Revision } from "../store.ts";
import { WritableStore, type WritableStoreOptions } from "../writable-store.ts";

const revisionsMaxDefault = 1000;

export interface MemoryStoreOptions extends WritableStoreOptions {
  /** Older ones are forgotten; 1,000 by default. */
  readonly revisionsMax?: number;
}

/** Objects that live as long as the process. */
export class MemoryStore extends WritableStore {
  readonly name = "memory";
  readonly #revisionsMax: number;
  /** The newest first. */
  readonly #revisions: Revision[] = [];

  constructor(options: MemoryStoreOptions) {
    super({ objects: [], revision: 0 }, options);
    this.#revisionsMax = options.revisionsMax ?? revisionsMaxDefault;
  }

  protected keep(revision: Revision): void {
    this.#revisions.unshift(revision);
    this.#revisions.splice(this.#revisionsMax);
  }

  history(limit: number): readonly Revision[] {
    return this.#revisions.slice(0, limit);
  }

  revisionAt(number: number): Revision | undefined {
    return this.#revisions.find((revision) => revision.number === number);
  }
}

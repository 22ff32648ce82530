import type { Clock } from "#lib/clock.ts";
import type { ConfigObject } from "#model/object.ts";
import { type ObjectLimits, ObjectTable } from "../object-table.ts";
import type { ChangeRequest, ConfigStore, Revision } from "../store.ts";
import { Watchers } from "../watchers.ts";

const revisionsMaxDefault = 1000;

export interface MemoryStoreOptions extends ObjectLimits {
  readonly clock: Clock;
  /** Older ones are forgotten; 1,000 by default. */
  readonly revisionsMax?: number;
}

/** Objects that live as long as the process. */
export class MemoryStore implements ConfigStore {
  readonly name = "memory";
  readonly writable = true;
  readonly #options: MemoryStoreOptions;
  readonly #table: ObjectTable;
  readonly #watchers = new Watchers();
  readonly #revisions: Revision[] = [];
  #revision = 0;

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
    this.#table = new ObjectTable([], options);
  }

  get revision(): number {
    return this.#revision;
  }

  list(): readonly ConfigObject[] {
    return this.#table.list();
  }

  get(key: string): ConfigObject | undefined {
    return this.#table.get(key);
  }

  change(request: ChangeRequest): Revision {
    const timeMs = this.#options.clock.wallMs();
    const number = this.#revision + 1;
    const changes = this.#table.plan(request, number, timeMs);
    const { author, message } = request;
    const changed = changes.length > 0 && request.dryRun !== true;
    const revision = {
      number: changed ? number : this.#revision,
      author,
      message,
      timeMs,
      changes,
    };
    if (!changed) return revision;
    this.#table.apply(changes);
    this.#revision = number;
    this.#revisions.unshift(revision);
    this.#revisions.splice(this.#options.revisionsMax ?? revisionsMaxDefault);
    this.#watchers.tell(revision);
    return revision;
  }

  history(limit: number): readonly Revision[] {
    return this.#revisions.slice(0, limit);
  }

  revisionAt(number: number): Revision | undefined {
    return this.#revisions.find((revision) => revision.number === number);
  }

  watch(onRevision: (revision: Revision) => void): () => void {
    return this.#watchers.add(onRevision);
  }

  close(): void {
    this.#watchers.clear();
  }
}

import type { Clock } from "#lib/clock.ts";
import type { ConfigObject } from "#model/object.ts";
import { type ObjectLimits, ObjectTable } from "./object-table.ts";
import type { ChangeRequest, ConfigStore, Revision } from "./store.ts";
import { Watchers } from "./watchers.ts";

export interface WritableStoreOptions extends ObjectLimits {
  readonly clock: Clock;
}

/** What is in a store when it is opened. */
export interface Contents {
  readonly objects: readonly ConfigObject[];
  /** The newest. */
  readonly revision: number;
}

/** How a change becomes a revision, wherever revisions are kept. */
export abstract class WritableStore implements ConfigStore {
  abstract readonly name: string;
  readonly writable = true;
  readonly #clock: Clock;
  readonly #table: ObjectTable;
  readonly #watchers = new Watchers();
  #revision: number;

  constructor({ objects, revision }: Contents, options: WritableStoreOptions) {
    this.#clock = options.clock;
    this.#table = new ObjectTable(objects, options);
    this.#revision = revision;
  }

  /** Keeps it, before anybody hears of it; when this throws, nothing has changed. */
  protected abstract keep(revision: Revision): void;

  abstract history(limit: number): readonly Revision[];

  abstract revisionAt(number: number): Revision | undefined;

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
    const timeMs = this.#clock.wallMs();
    const next = this.#revision + 1;
    const changes = this.#table.plan(request, next, timeMs);
    const { author, message } = request;
    const changed = changes.length > 0 && request.dryRun !== true;
    const number = changed ? next : this.#revision;
    const revision = { number, author, message, timeMs, changes };
    if (!changed) return revision;
    this.keep(revision);
    this.#table.apply(changes);
    this.#revision = next;
    this.#watchers.tell(revision);
    return revision;
  }

  watch(onRevision: (revision: Revision) => void): () => void {
    return this.#watchers.add(onRevision);
  }

  close(): void {
    this.#watchers.clear();
  }
}

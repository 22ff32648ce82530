import { type ConfigObject, objectKey } from "#model/object.ts";
import type { ConfigStore } from "../../stores/store.ts";

interface Update {
  readonly before: ConfigObject | undefined;
  readonly after: ConfigObject | undefined;
}

const why = { author: "auto-registration", message: "proxies came and went" };

/** The WorkloadEntries of connected proxies, as the mesh follows stores. They are nobody's to edit. */
export class EntryStore {
  readonly name = "connected workloads";
  readonly #objects: Map<string, ConfigObject> = new Map();
  readonly #watchers: Set<(revision: { readonly changes: readonly Update[] }) => void> = new Set();
  readonly #saved: ConfigStore | undefined;
  #revision = 0;

  /** `saved` outlives the process; without it they are gone with it. */
  constructor(saved?: ConfigStore) {
    this.#saved = saved;
    for (const object of saved?.list() ?? []) this.#objects.set(objectKey(object), object);
  }

  get size(): number {
    return this.#objects.size;
  }

  list(): readonly ConfigObject[] {
    return [...this.#objects.values()];
  }

  get(key: string): ConfigObject | undefined {
    return this.#objects.get(key);
  }

  watch(onRevision: (revision: { readonly changes: readonly Update[] }) => void): () => void {
    this.#watchers.add(onRevision);
    return () => this.#watchers.delete(onRevision);
  }

  set(object: ConfigObject): void {
    const key = objectKey(object);
    const before = this.#objects.get(key);
    const metadata = { ...object.metadata, resourceVersion: `workload-${++this.#revision}` };
    const after = { ...object, metadata };
    this.#objects.set(key, after);
    this.#saved?.change({ set: [{ object: after }], ...why });
    this.#tell({ before, after });
  }

  delete(object: ConfigObject): void {
    const key = objectKey(object);
    const before = this.#objects.get(key);
    if (!this.#objects.delete(key)) return;
    if (this.#saved?.get(key) !== undefined) this.#saved.change({ remove: [{ key }], ...why });
    this.#tell({ before, after: undefined });
  }

  #tell(update: Update): void {
    for (const onRevision of this.#watchers) onRevision({ changes: [update] });
  }
}

import { type ConfigObject, objectKey } from "#model/object.ts";

interface Update {
  readonly before: ConfigObject | undefined;
  readonly after: ConfigObject | undefined;
}

/** The WorkloadEntries of connected proxies, as the mesh follows stores. They are nobody's to edit, and gone with the process. */
export class EntryStore {
  readonly name = "connected workloads";
  readonly #objects: Map<string, ConfigObject> = new Map();
  readonly #watchers: Set<(revision: { readonly changes: readonly Update[] }) => void> = new Set();
  #revision = 0;

  get size(): number {
    return this.#objects.size;
  }

  list(): readonly ConfigObject[] {
    return [...this.#objects.values()];
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
    this.#tell({ before, after });
  }

  delete(object: ConfigObject): void {
    const key = objectKey(object);
    const before = this.#objects.get(key);
    if (!this.#objects.delete(key)) return;
    this.#tell({ before, after: undefined });
  }

  #tell(update: Update): void {
    for (const onRevision of this.#watchers) onRevision({ changes: [update] });
  }
}

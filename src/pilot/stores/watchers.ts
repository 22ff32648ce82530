import type { Revision } from "./store.ts";

/** Who wants to hear of a store's changes. */
export class Watchers {
  readonly #watchers: Set<(revision: Revision) => void> = new Set();

  add(onRevision: (revision: Revision) => void): () => void {
    const watcher = (revision: Revision): void => onRevision(revision);
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  tell(revision: Revision): void {
    for (const watcher of [...this.#watchers]) watcher(revision);
  }

  clear(): void {
    this.#watchers.clear();
  }
}

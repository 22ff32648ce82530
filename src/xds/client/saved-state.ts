import { resourceTypeOf, secretType } from "../resource-type.ts";
import { contentOf, type DecodeOptions } from "./any-resource.ts";
import type { IncomingResource } from "./incoming.ts";
import type { ResourceStore } from "./resource-store.ts";
import { SavedFile, type SavedFileOptions, type SavedResource, type SavedTypes } from "./saved.ts";

/** When what a store knows is written, and when what was written is used. */
export class SavedState {
  readonly #store: ResourceStore;
  readonly #decode: DecodeOptions;
  readonly #file: SavedFile;
  #loading: Promise<void> = Promise.resolve();
  /** As the last process left it; undefined once the store knows better. */
  #earlier: SavedTypes | undefined;
  #state: "waiting" | "used" | "answered" = "waiting";

  constructor(
    store: ResourceStore,
    decode: DecodeOptions,
    options: Omit<SavedFileOptions, "current">,
  ) {
    this.#store = store;
    this.#decode = decode;
    this.#file = new SavedFile({ ...options, current: () => this.#current() });
  }

  load(): Promise<void> {
    this.#loading = this.#file.read().then((earlier) => {
      this.#earlier = earlier;
    });
    return this.#loading;
  }

  /** The control plane is away. */
  use(): void {
    if (this.#state !== "waiting") return;
    this.#state = "used";
    void this.#loading.then(() => {
      // It is there after all.
      if (this.#state !== "used" || this.#earlier === undefined) return;
      const shelf = [...this.#earlier].map(
        ([typeUrl, resources]) => [typeUrl, this.#incoming(typeUrl, resources)] as const,
      );
      this.#store.shelve(new Map(shelf));
    });
  }

  /** The control plane is there. */
  answered(): void {
    this.#state = "answered";
    this.#store.unshelve();
  }

  changed(): void {
    this.#file.changed();
  }

  /** What has changed is still written. */
  close(): void {
    void this.#file.flush();
  }

  #incoming(typeUrl: string, resources: readonly SavedResource[]): readonly IncomingResource[] {
    const type = resourceTypeOf(typeUrl);
    if (type === undefined) return [];
    return resources.map(({ name, version, bytes }) => ({
      name,
      version,
      ttlMs: undefined,
      content: contentOf(type, bytes, this.#decode),
    }));
  }

  /**
   * A first answer is not all there is: clusters come before their endpoints. What the last process had of the rest is kept until this one
   * has its own.
   */
  #current(): SavedTypes {
    const types = new Map<string, readonly SavedResource[]>();
    let kept = 0;
    for (const state of this.#store.states) {
      // Keys do not belong on a disk.
      if (state.type === secretType) continue;
      const resources: SavedResource[] = [];
      for (const [name, { resource, key }] of state.known) {
        // It would have run out by the time it is read.
        if (resource.ttlMs === undefined)
          resources.push({ name, version: resource.version, bytes: key });
      }
      for (const earlier of this.#earlier?.get(state.type.typeUrl) ?? []) {
        const { name } = earlier;
        const missing = !state.answered || state.names.has(name);
        if (!missing || state.known.has(name) || state.absent.has(name)) continue;
        resources.push(earlier);
        kept++;
      }
      types.set(state.type.typeUrl, resources);
    }
    for (const [typeUrl, resources] of this.#earlier ?? []) {
      if (types.has(typeUrl)) continue;
      types.set(typeUrl, resources);
      kept += resources.length;
    }
    if (kept === 0) this.#earlier = undefined;
    return types;
  }
}

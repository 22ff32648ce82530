import type { NodeJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { NameSet } from "#xds/name-set.ts";
import { ResourcePool } from "#xds/resource.ts";
import { emptySet, ResourceSet } from "#xds/resource-set.ts";
import type { ResourceType } from "#xds/resource-type.ts";
import type { Answer, ResourceSource, Snapshot, XdsConnection } from "#xds/source.ts";

export type FixedResources = ReadonlyMap<ResourceType, readonly object[]>;

/** The same resources for every client; `set` replaces some types and pushes. */
export class FixedSource implements ResourceSource {
  readonly answers: { readonly connection: XdsConnection; readonly answer: Answer }[] = [];
  readonly connections: Set<XdsConnection> = new Set();
  readonly #pool = new ResourcePool();
  #sets: ReadonlyMap<ResourceType, ResourceSet> = new Map();
  #waiting: { readonly test: () => boolean; readonly done: () => void }[] = [];

  constructor(resources: FixedResources = new Map()) {
    this.set(resources);
  }

  set(resources: FixedResources, { ttlMs }: { readonly ttlMs?: number } = {}): void {
    const sets = new Map(this.#sets);
    for (const [type, objects] of resources)
      sets.set(type, new ResourceSet(objects.map((one) => this.#pool.of(type, one, { ttlMs }))));
    this.#sets = sets;
    for (const connection of [...this.connections]) connection.push(this.current());
  }

  current(): Snapshot {
    const sets = this.#sets;
    return {
      resources(type: ResourceType, names: NameSet | undefined): ResourceSet {
        const all = sets.get(type) ?? emptySet;
        return names === undefined ? all : all.pick(names);
      },
    };
  }

  /** Resolves when something a client says makes `test` true. */
  until(test: () => boolean): Promise<void> {
    if (test()) return Promise.resolve();
    return new Promise((done) => {
      this.#waiting.push({ test, done });
    });
  }

  /** Some client has asked for everything it needs and acknowledged it. */
  settled(...types: readonly ResourceType[]): Promise<void> {
    return this.until(() => {
      const seen = new Set<ResourceType>();
      for (const connection of this.connections) {
        if (!connection.settled) return false;
        for (const { type, acked } of connection.subscriptions)
          if (acked !== undefined) seen.add(type);
      }
      return types.every((type) => seen.has(type));
    });
  }

  #changed(): void {
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ test, done }) => {
      const over = test();
      if (over) done();
      return !over;
    });
  }

  connect(connection: XdsConnection): void {
    this.connections.add(connection);
    connection.push(this.current());
    this.#changed();
  }

  disconnect(connection: XdsConnection): void {
    this.connections.delete(connection);
    this.#changed();
  }

  onAnswer(connection: XdsConnection, answer: Answer): void {
    this.answers.push({ connection, answer });
    this.#changed();
  }

  onSubscribe(): void {
    this.#changed();
  }

  snapshot(_node: NodeJson): Snapshot {
    return this.current();
  }
}

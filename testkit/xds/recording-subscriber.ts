import type { JsonObject } from "@bufbuild/protobuf";
import type { ResourceType } from "#xds/resource-type.ts";
import type { ResourceProblem, ResourceUpdate, Subscriber } from "#xds/subscriber.ts";

/** Takes everything, or refuses what `refuse` finds, and remembers. */
export class RecordingSubscriber implements Subscriber {
  readonly type: ResourceType;
  readonly updates: ResourceUpdate[] = [];
  readonly refusals: (readonly ResourceProblem[])[] = [];
  readonly failures: string[] = [];
  /** What is there now. */
  readonly resources: Map<string, JsonObject> = new Map();
  refuse: (update: ResourceUpdate) => readonly ResourceProblem[] = () => [];
  #waiting: { readonly test: () => boolean; readonly done: () => void }[] = [];

  constructor(type: ResourceType) {
    this.type = type;
  }

  get names(): readonly string[] {
    return [...this.resources.keys()].sort();
  }

  apply(update: ResourceUpdate): readonly ResourceProblem[] {
    const problems = this.refuse(update);
    const bad = new Set(problems.map(({ name }) => name));
    this.updates.push(update);
    for (const { name, json } of update.set) if (!bad.has(name)) this.resources.set(name, json);
    for (const name of update.removed) this.resources.delete(name);
    this.#changed();
    return problems;
  }

  onRefused(problems: readonly ResourceProblem[]): void {
    this.refusals.push(problems);
    this.#changed();
  }

  onFailure(reason: string): void {
    this.failures.push(reason);
    this.#changed();
  }

  /** Resolves when something that comes makes `test` true. */
  until(test: () => boolean): Promise<void> {
    if (test()) return Promise.resolve();
    return new Promise((done) => {
      this.#waiting.push({ test, done });
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
}

import type { ConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import type { Clock } from "#lib/clock.ts";
import { ConfigError } from "#lib/config-error.ts";
import type { ResourceType } from "#xds/resource-type.ts";
import type { Resource, ResourceProblem, ResourceUpdate, Subscription } from "#xds/subscriber.ts";
import { initialFetchTimeoutMs, sourceKey } from "./config-source.ts";
import type { Sources } from "./sources.ts";

export interface Watcher<R> {
  /** The resource is there, or there is another one. Throws ConfigError when it cannot be used. */
  onResource(resource: R): void;
  /** It does not come in time: whoever waits goes on without it. */
  onTimeout(): void;
  /** There is none that can be used: whoever waits goes on without it. Absent: as after `onTimeout`. */
  onNone?(): void;
}

export interface NamedContext {
  readonly sources: Sources;
  readonly clock: Clock;
  /** Takes it for the whole process, before its watchers hear of it. Throws ConfigError. */
  readonly accept?: (resource: Resource, source: ConfigSourceJson) => Promise<void>;
  /** Nobody watches it any more. */
  readonly forget?: (name: string, source: ConfigSourceJson) => void;
  /** One that is removed is gone (ECDS); absent: whoever has it keeps it. */
  readonly removed?: (name: string, source: ConfigSourceJson) => void;
  /** One is refused; the one before stays. */
  readonly refused?: (name: string, source: ConfigSourceJson) => void;
}

/** What is known of a resource, for /config_dump. */
export interface NamedStatus {
  readonly name: string;
  readonly version: string;
  readonly json: unknown;
  readonly updatedMs: number;
}

/** Resources that others name (EDS, RDS, SDS): one subscription for each source, for as many names as are watched. */
export class NamedResources<R> {
  readonly #type: ResourceType;
  readonly #context: NamedContext;
  readonly #sources: Map<string, Source<R>> = new Map();

  constructor(type: ResourceType, context: NamedContext) {
    this.#type = type;
    this.#context = context;
  }

  /** Returns how to end it. */
  watch(source: ConfigSourceJson, name: string, watcher: Watcher<R>): () => void {
    const key = sourceKey(source);
    let known = this.#sources.get(key);
    if (known === undefined) {
      known = new Source(this.#type, source, this.#context);
      this.#sources.set(key, known);
    }
    return known.watch(name, watcher, initialFetchTimeoutMs(source));
  }

  status(): readonly NamedStatus[] {
    return [...this.#sources.values()].flatMap((source) => source.status());
  }

  stop(): void {
    for (const source of this.#sources.values()) source.stop();
  }
}

type Waiting<R> = Required<Watcher<R>>;

class Source<R> {
  readonly #context: NamedContext;
  readonly #source: ConfigSourceJson;
  readonly #subscription: Subscription;
  readonly #watchers: Map<string, Set<Waiting<R>>> = new Map();
  readonly #known: Map<string, NamedStatus> = new Map();
  #requested = false;

  constructor(type: ResourceType, source: ConfigSourceJson, context: NamedContext) {
    this.#context = context;
    this.#source = source;
    this.#subscription = context.sources.of(source, type).subscribe(
      {
        type,
        apply: (update) => this.#apply(update),
        onRefused: (problems) => {
          for (const name of new Set(problems.map((problem) => problem.name))) this.#refused(name);
        },
      },
      [],
    );
  }

  watch(name: string, watcher: Watcher<R>, timeoutMs: number | undefined): () => void {
    const known = this.#known.get(name);
    let timer: { cancel(): void } | undefined;
    const waiting: Waiting<R> = {
      onResource: (resource) => {
        timer?.cancel();
        watcher.onResource(resource);
      },
      onTimeout: () => {
        timer?.cancel();
        watcher.onTimeout();
      },
      onNone: () => {
        timer?.cancel();
        if (watcher.onNone === undefined) watcher.onTimeout();
        else watcher.onNone();
      },
    };
    const watchers = this.#watchers.get(name) ?? new Set();
    this.#watchers.set(name, watchers.add(waiting));
    // Proof: the source decoded it as this type.
    if (known !== undefined) waiting.onResource(known.json as R);
    else {
      if (timeoutMs !== undefined)
        timer = this.#context.clock.after(timeoutMs, () => watcher.onTimeout());
      this.#request();
    }
    return () => {
      timer?.cancel();
      watchers.delete(waiting);
      if (watchers.size > 0 || this.#watchers.get(name) !== watchers) return;
      this.#watchers.delete(name);
      this.#request();
    };
  }

  /** Once for all that is watched and left in the same turn: an update of clusters changes many names. */
  #request(): void {
    if (this.#requested) return;
    this.#requested = true;
    queueMicrotask(() => {
      this.#requested = false;
      this.#forgetUnwatched();
      this.#subscription.set([...this.#watchers.keys()]);
    });
  }

  /** Not before the turn is over: what is left and watched again, as by a cluster that is replaced, would not be sent again. */
  #forgetUnwatched(): void {
    for (const name of [...this.#known.keys()]) {
      if (this.#watchers.has(name)) continue;
      this.#known.delete(name);
      this.#context.forget?.(name, this.#source);
    }
  }

  async #apply({ set, removed }: ResourceUpdate): Promise<readonly ResourceProblem[]> {
    const problems = await Promise.all(set.map((resource) => this.#take(resource)));
    for (const name of removed) this.#remove(name);
    return problems.flat();
  }

  async #take(resource: Resource): Promise<readonly ResourceProblem[]> {
    const { name } = resource;
    // Not asked for (any more).
    if (!this.#watchers.has(name)) return [];
    try {
      await this.#context.accept?.(resource, this.#source);
      if (!this.#watchers.has(name)) {
        // Everybody has left meanwhile. Who comes later has to ask for it again.
        this.#context.forget?.(name, this.#source);
        return [];
      }
      // Proof: the source decoded it as this type.
      for (const watcher of this.#watchers.get(name) ?? [])
        watcher.onResource(resource.json as unknown as R);
      this.#known.set(name, { ...resource, updatedMs: this.#context.clock.wallMs() });
      return [];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#refused(name);
      return error.problems.map(({ path, message }) => ({ name, path, message }));
    }
  }

  /** As Envoy: nobody waits for a better one. */
  #refused(name: string): void {
    if (!this.#watchers.has(name)) return;
    this.#context.refused?.(name, this.#source);
    this.#endWaits(name);
  }

  /** The control plane says that there is none. */
  #remove(name: string): void {
    const { removed } = this.#context;
    if (removed !== undefined && this.#known.delete(name)) removed(name, this.#source);
    this.#endWaits(name);
  }

  /** Whoever has one keeps it. */
  #endWaits(name: string): void {
    if (this.#known.has(name)) return;
    for (const watcher of this.#watchers.get(name) ?? []) watcher.onNone();
  }

  status(): readonly NamedStatus[] {
    return [...this.#known.values()];
  }

  stop(): void {
    this.#subscription.close();
  }
}

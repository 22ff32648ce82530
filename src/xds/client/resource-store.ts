import type { DecodedBytes } from "#config/decode-bytes.ts";
import type { Clock } from "#lib/clock.ts";
import { type ResourceType, resourceTypes } from "../resource-type.ts";
import type {
  Interest,
  Log,
  Resource,
  ResourceProblem,
  Subscriber,
  Subscription,
  TypeDump,
} from "../subscriber.ts";
import { dumpType } from "./dump.ts";
import { Expiries } from "./expiries.ts";
import {
  type Incoming,
  type IncomingResource,
  printProblems,
  taken,
  type Verdict,
} from "./incoming.ts";
import { type Known, TypeState, Watch } from "./type-state.ts";

export interface StoreServices {
  readonly clock: Clock;
  readonly log: Log;
  /** So many fields of a resource are newer than this Heddle. */
  readonly onUnknownFields?: ((count: number) => void) | undefined;
  /** Somebody wants something else than before. */
  readonly onInterest: () => void;
  /** What is known of a type has changed. */
  readonly onChange?: ((type: ResourceType) => void) | undefined;
}

/** What all sources share: who wants what, what is known, and what an answer means for each subscriber. */
export class ResourceStore {
  readonly #services: StoreServices;
  readonly #states: Map<string, TypeState> = new Map();
  readonly #expiries: Expiries;
  /** Saved resources, until somebody wants them or a server answers. */
  readonly #shelf: Map<string, Map<string, IncomingResource>> = new Map();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(services: StoreServices) {
    this.#services = services;
    this.#expiries = new Expiries(services.clock, (typeUrl, names) => {
      void this.#inTurn(() => this.#expire(typeUrl, names));
    });
  }

  /** In make-before-break order. */
  get states(): readonly TypeState[] {
    return resourceTypes.flatMap(({ typeUrl }) => this.#states.get(typeUrl) ?? []);
  }

  state(typeUrl: string): TypeState | undefined {
    return this.#states.get(typeUrl);
  }

  stateOf(type: ResourceType): TypeState {
    let state = this.#states.get(type.typeUrl);
    if (state === undefined) {
      state = new TypeState(type);
      this.#states.set(type.typeUrl, state);
    }
    return state;
  }

  subscribe(subscriber: Subscriber, interest: Interest): Subscription {
    const state = this.stateOf(subscriber.type);
    const watch = new Watch(subscriber);
    state.add(watch);
    const changed = (added: readonly string[]): void => {
      subscriber.stats?.attempted();
      this.#services.onInterest();
      this.#replay(state, watch, added);
      this.#takeFromShelf(state);
    };
    const subscription: Subscription = {
      set: (next) => {
        if (!watch.closed) changed(state.change(watch, next));
      },
      add: (names) => {
        if (!watch.closed && !watch.all) changed(state.addNames(watch, names));
      },
      remove: (names) => {
        if (watch.closed) return;
        state.removeNames(watch, names);
        this.#services.onInterest();
      },
      close: () => {
        if (watch.closed) return;
        state.remove(watch);
        this.#services.onInterest();
      },
    };
    subscription.set(interest);
    return subscription;
  }

  /** Another subscriber may have it already; the server sends it once. */
  #replay(state: TypeState, watch: Watch, added: readonly string[]): void {
    const names = watch.all ? [...state.known.keys()] : added;
    const set = names.flatMap((name) => state.known.get(name)?.resource ?? []);
    const removed = watch.all ? [] : names.filter((name) => state.absent.has(name));
    if (set.length === 0 && removed.length === 0 && !(watch.all && state.answered)) return;
    void this.#inTurn(async () => {
      if (watch.closed) return;
      const { version } = state;
      const problems = await this.#applyTo(watch, { set, removed, unsupported: [], version });
      if (problems.length > 0) this.#warn(state, problems);
    });
  }

  /** Resources to go on with while no server answers: whoever wants one gets it. */
  shelve(saved: ReadonlyMap<string, readonly IncomingResource[]>): void {
    for (const [typeUrl, resources] of saved)
      this.#shelf.set(typeUrl, new Map(resources.map((one) => [one.name, one])));
    for (const state of this.states) this.#takeFromShelf(state);
  }

  /** A server answers: what it says counts. */
  unshelve(): void {
    this.#shelf.clear();
  }

  #takeFromShelf(state: TypeState): void {
    const { typeUrl } = state.type;
    const shelf = this.#shelf.get(typeUrl);
    if (shelf === undefined) return;
    const resources = [...shelf.values()].filter(({ name }) => state.wants(name));
    if (resources.length === 0) return;
    for (const { name } of resources) shelf.delete(name);
    const rest = { version: "", removed: [], complete: false, invalid: [], saved: true };
    void this.take({ typeUrl, resources, ...rest });
  }

  /** Subscribers are called one after the other, whatever stream, timer or subscription brings the news. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result;
    return result;
  }

  /** The source cannot be reached. */
  failed(reason: string, types?: ReadonlySet<string>): void {
    for (const state of this.#states.values()) {
      if (types !== undefined && !types.has(state.type.typeUrl)) continue;
      for (const { subscriber } of state.watches) {
        subscriber.stats?.failed();
        subscriber.onFailure?.(reason);
      }
    }
  }

  /**
   * Envoy's rule: an answer with a resource that is no valid message is refused whole; one that its consumer refuses, or that Heddle does not
   * support, is refused alone, and the others are taken.
   */
  take(incoming: Incoming): Promise<Verdict> {
    return this.#inTurn(() => this.#take(incoming));
  }

  async #take(incoming: Incoming): Promise<Verdict> {
    const state = this.#states.get(incoming.typeUrl);
    if (state === undefined) return taken;
    // An answer was faster than the disk.
    if (incoming.saved === true && state.answered) return taken;
    const sorted = this.#sort(state, incoming);
    const whole = [...incoming.invalid, ...sorted.invalid];
    if (whole.length > 0) {
      this.#refuse(state, incoming, sorted, whole);
      for (const { subscriber } of state.watches) {
        subscriber.stats?.rejected();
        subscriber.onRefused?.(whole);
      }
      return { problems: whole };
    }
    const saved = incoming.saved === true;
    if (!saved) state.answered = true;
    const removed = this.#removedBy(state, incoming);
    const { version } = incoming;
    const { set, unchanged, unsupported } = sorted;
    const found = await this.#deliver(state, { set, unchanged, removed, unsupported, version });
    const problems = [...unsupported, ...found];
    this.#remember(state, incoming, { ...sorted, bad: new Set(problems.map(({ name }) => name)) });
    this.#forget(state, removed);
    if (problems.length > 0) this.#refuse(state, incoming, sorted, problems);
    else if (!saved) state.version = version;
    if (!saved) this.#services.onChange?.(state.type);
    return { problems };
  }

  #sort(state: TypeState, { resources }: Incoming): Sorted {
    const sorted: Sorted = {
      set: [],
      keys: new Map(),
      unchanged: [],
      decoded: new Map(),
      invalid: [],
      unsupported: [],
    };
    for (const incoming of resources) {
      // As in Envoy: what nobody has asked for is not looked into.
      if (!state.wants(incoming.name)) continue;
      const { content, name, version, ttlMs } = incoming;
      const known = state.known.get(name);
      if (content === undefined || isSame(known, content.key)) {
        if (content !== undefined || known?.resource.version === version)
          sorted.unchanged.push(incoming);
        continue;
      }
      const decoded = content.decode();
      sorted.decoded.set(name, decoded);
      if (decoded.unknownFields > 0) this.#services.onUnknownFields?.(decoded.unknownFields);
      for (const problem of decoded.invalid) sorted.invalid.push({ name, ...problem });
      for (const problem of decoded.unsupported) sorted.unsupported.push({ name, ...problem });
      if (decoded.unsupported.length > 0) continue;
      sorted.set.push({ name, version, ttlMs, json: decoded.json });
      sorted.keys.set(name, content.key);
    }
    return sorted;
  }

  #removedBy(state: TypeState, incoming: Incoming): readonly string[] {
    if (!incoming.complete) return incoming.removed.filter((name) => state.wants(name));
    const sent = new Set(incoming.resources.map(({ name }) => name));
    // Nothing good was ever there of it, so nobody is told.
    for (const name of state.refused.keys()) if (!sent.has(name)) state.refused.delete(name);
    return [...state.known.keys()].filter((name) => !sent.has(name));
  }

  async #deliver(state: TypeState, news: News): Promise<readonly ResourceProblem[]> {
    const problems: ResourceProblem[] = [];
    for (const [watch, part] of partsOf(state, news)) {
      if (!watch.closed) problems.push(...(await this.#applyTo(watch, part)));
    }
    return problems;
  }

  /** Returns the problems that the subscriber has found. */
  async #applyTo(watch: Watch, part: Part): Promise<readonly ResourceProblem[]> {
    const { clock } = this.#services;
    const { subscriber } = watch;
    const { stats } = subscriber;
    const startedMs = clock.monotonicMs();
    const { set, removed, version, unsupported } = part;
    const needed = watch.all || set.length > 0 || removed.length > 0;
    const problems = needed ? await subscriber.apply({ set, removed, version }) : [];
    if (unsupported.length > 0) subscriber.onRefused?.(unsupported);
    if (problems.length + unsupported.length > 0) stats?.rejected();
    else {
      const durationMs = clock.monotonicMs() - startedMs;
      stats?.succeeded({ version, wallMs: clock.wallMs(), durationMs });
    }
    return problems;
  }

  #remember(state: TypeState, incoming: Incoming, sorted: Sorted & { bad: Set<string> }): void {
    // A problem without a name is one of all that came.
    if (sorted.bad.has("")) return;
    const updatedMs = this.#services.clock.wallMs();
    for (const resource of sorted.set) {
      const { name } = resource;
      const key = sorted.keys.get(name);
      if (key === undefined || sorted.bad.has(name) || !state.wants(name)) continue;
      // A copy: the bytes are part of the whole answer, which would stay with them.
      state.known.set(name, { resource, updatedMs, key: key.slice() });
      state.refused.delete(name);
      state.absent.delete(name);
      this.#expiries.set(incoming.typeUrl, name, resource.ttlMs);
    }
    for (const { name, version, ttlMs } of sorted.unchanged) {
      const known = state.known.get(name);
      if (known === undefined) continue;
      state.known.set(name, { ...known, resource: { ...known.resource, version } });
      // The good one is there again.
      state.refused.delete(name);
      this.#expiries.set(incoming.typeUrl, name, ttlMs);
    }
  }

  #forget(state: TypeState, names: readonly string[]): void {
    for (const name of names) {
      state.known.delete(name);
      state.refused.delete(name);
      if (state.names.has(name)) state.absent.add(name);
      this.#expiries.set(state.type.typeUrl, name, undefined);
    }
  }

  #refuse(state: TypeState, incoming: Incoming, sorted: Sorted, problems: Problems): void {
    const versions = new Map(incoming.resources.map(({ name, version }) => [name, version]));
    const lastUpdateAttemptMs = this.#services.clock.wallMs();
    for (const [name, some] of Map.groupBy(problems, (problem) => problem.name)) {
      if (name === "" || !state.wants(name)) continue;
      state.refused.set(name, {
        failedConfiguration: sorted.decoded.get(name)?.json,
        lastUpdateAttemptMs,
        details: printProblems(some),
        versionInfo: versions.get(name) ?? incoming.version,
      });
    }
    this.#warn(state, problems);
  }

  #warn(state: TypeState, problems: Problems): void {
    const what = `${state.type.name}: refused, what was good before keeps serving`;
    this.#services.log("warn", `${what}: ${printProblems(problems)}`);
  }

  async #expire(typeUrl: string, names: readonly string[]): Promise<void> {
    const state = this.#states.get(typeUrl);
    if (state === undefined) return;
    // An answer before this turn may have brought it again.
    const removed = names.filter(
      (name) => state.known.has(name) && !this.#expiries.has(typeUrl, name),
    );
    if (removed.length === 0) return;
    this.#forget(state, removed);
    await this.#deliver(state, { ...nothing, removed, version: state.version });
    this.#services.onChange?.(state.type);
  }

  dump(): readonly TypeDump[] {
    return this.states.map(dumpType);
  }

  close(): void {
    this.#expiries.close();
  }
}

type Problems = readonly ResourceProblem[];

/** An answer, looked at resource by resource. */
interface Sorted {
  readonly set: Resource[];
  readonly keys: Map<string, Uint8Array>;
  readonly unchanged: IncomingResource[];
  readonly decoded: Map<string, DecodedBytes>;
  readonly invalid: ResourceProblem[];
  readonly unsupported: ResourceProblem[];
}

interface News {
  readonly set: readonly Resource[];
  readonly unchanged: readonly { readonly name: string }[];
  readonly removed: readonly string[];
  readonly unsupported: Problems;
  readonly version: string;
}

const nothing = { set: [], unchanged: [], removed: [], unsupported: [], version: "" };

interface Part {
  readonly set: Resource[];
  readonly removed: string[];
  readonly unsupported: ResourceProblem[];
  readonly version: string;
}

function isSame(known: Known | undefined, key: Uint8Array): boolean {
  return known !== undefined && Buffer.compare(known.key, key) === 0;
}

/** What of the news each watch has asked for. Whoever wants everything has a part in all news, also in none. */
function partsOf(state: TypeState, news: News): ReadonlyMap<Watch, Part> {
  const parts = new Map<Watch, Part>();
  const partOf = (watch: Watch): Part => {
    const known = parts.get(watch);
    const part = known ?? { set: [], removed: [], unsupported: [], version: news.version };
    if (known === undefined) parts.set(watch, part);
    return part;
  };
  const everything = [...state.watches].filter((watch) => watch.all);
  const add = (name: string, put: (part: Part) => void): void => {
    for (const watch of everything) put(partOf(watch));
    for (const watch of state.names.get(name) ?? []) put(partOf(watch));
  };
  for (const watch of everything) partOf(watch);
  for (const resource of news.set) add(resource.name, ({ set }) => set.push(resource));
  for (const name of news.removed) add(name, ({ removed }) => removed.push(name));
  for (const problem of news.unsupported)
    add(problem.name, ({ unsupported }) => unsupported.push(problem));
  for (const { name } of news.unchanged) add(name, () => {});
  return parts;
}

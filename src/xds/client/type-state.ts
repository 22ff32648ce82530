import type { ResourceType } from "../resource-type.ts";
import type { Interest, RefusedResource, Resource, Subscriber } from "../subscriber.ts";

/** The last good form of a resource. */
export interface Known {
  readonly resource: Resource;
  readonly updatedMs: number;
  /** What it was made of: an answer that brings the same again changes nothing. */
  readonly key: Uint8Array;
}

/** One subscription. */
export class Watch {
  readonly subscriber: Subscriber;
  all = false;
  names: Set<string> = new Set();
  closed = false;

  constructor(subscriber: Subscriber) {
    this.subscriber = subscriber;
  }

  wants(name: string): boolean {
    return this.all || this.names.has(name);
  }
}

/** What is wanted and what is known of one resource type. Lives as long as the client, through any number of streams. */
export class TypeState {
  readonly type: ResourceType;
  readonly watches: Set<Watch> = new Set();
  /** Who named a name. */
  readonly #byName: Map<string, Set<Watch>> = new Map();
  #wildcards = 0;
  /** Another number after each change of what is wanted. */
  revision = 0;
  /** `version_info` of the last answer that was taken whole. */
  version = "";
  /** An answer has come, from this or an earlier stream. */
  answered = false;
  readonly known: Map<string, Known> = new Map();
  readonly refused: Map<string, RefusedResource> = new Map();
  /** Names that the server says it does not have. */
  readonly absent: Set<string> = new Set();

  constructor(type: ResourceType) {
    this.type = type;
  }

  get wildcard(): boolean {
    return this.#wildcards > 0;
  }

  /** Asked for by name. */
  get names(): ReadonlyMap<string, ReadonlySet<Watch>> {
    return this.#byName;
  }

  get wanted(): boolean {
    return this.#wildcards > 0 || this.#byName.size > 0;
  }

  wants(name: string): boolean {
    return this.#wildcards > 0 || this.#byName.has(name);
  }

  add(watch: Watch): void {
    this.watches.add(watch);
  }

  /** Returns the names that the watch did not have before. */
  change(watch: Watch, interest: Interest): readonly string[] {
    const all = interest === "all";
    const names = new Set(all ? [] : interest);
    if (all !== watch.all) {
      watch.all = all;
      this.#wildcards += all ? 1 : -1;
      this.revision++;
    }
    const before = watch.names;
    watch.names = names;
    for (const name of before) if (!names.has(name)) this.#removeName(watch, name);
    return [...names].filter((name) => !before.has(name) && this.#addName(watch, name));
  }

  addNames(watch: Watch, names: readonly string[]): readonly string[] {
    return names.filter((name) => {
      if (watch.names.has(name)) return false;
      watch.names.add(name);
      return this.#addName(watch, name);
    });
  }

  removeNames(watch: Watch, names: readonly string[]): void {
    for (const name of names) if (watch.names.delete(name)) this.#removeName(watch, name);
  }

  remove(watch: Watch): void {
    watch.closed = true;
    this.change(watch, []);
    this.watches.delete(watch);
  }

  #addName(watch: Watch, name: string): true {
    const watches = this.#byName.get(name);
    if (watches === undefined) {
      this.#byName.set(name, new Set([watch]));
      this.revision++;
    } else watches.add(watch);
    return true;
  }

  #removeName(watch: Watch, name: string): void {
    const watches = this.#byName.get(name);
    watches?.delete(watch);
    if (watches?.size !== 0) return;
    this.#byName.delete(name);
    this.revision++;
  }

  /**
   * A server that hears what is there, and nothing of what was refused, sends the latter again, or has it no more and says nothing.
   */
  forgetRefused(): void {
    for (const name of this.refused.keys())
      if (!this.known.has(name) && !this.#byName.has(name)) this.refused.delete(name);
  }

  /** The server has been told, or is told nothing any more: what nobody wants is forgotten. */
  prune(): readonly string[] {
    if (this.wildcard) return [];
    const gone: string[] = [];
    for (const map of [this.known, this.refused]) {
      for (const name of map.keys()) {
        if (this.#byName.has(name)) continue;
        map.delete(name);
        gone.push(name);
      }
    }
    for (const name of this.absent) if (!this.#byName.has(name)) this.absent.delete(name);
    return gone;
  }
}

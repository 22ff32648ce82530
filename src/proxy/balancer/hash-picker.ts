import { MersenneTwister } from "#lib/mersenne-twister.ts";
import type { Word64 } from "#lib/word64.ts";
import type { Host } from "../cluster/host.ts";
import type { BalancerOptions, PickContext, Picker, WeightedLocality } from "./balancer.ts";
import { type HashingConfig, hashingDefaults } from "./hashing-config.ts";

/** A host and its share of 1. */
export interface WeightedHost {
  readonly host: Host;
  readonly weight: number;
}

/** From a hash to an index of the weighted hosts it was made of; there is at least one. */
export interface HashTable {
  /** `declined`: hosts this pick has led to before, which shall not be chosen again. */
  find(hash: Word64, declined: number): number;
}

/** Undefined: with these hosts there is nothing to pick. */
export type MakeTable = (
  hosts: readonly WeightedHost[],
  config: HashingConfig,
  options: BalancerOptions,
) => HashTable | undefined;

export function hashPicker(
  hosts: readonly Host[],
  options: BalancerOptions,
  makeTable: MakeTable,
): Picker {
  const config = options.config?.hashing ?? hashingDefaults;
  const weighted =
    options.localities === undefined
      ? normalized(hosts, 1)
      : normalizedByLocality(options.localities);
  const table = weighted.length === 0 ? undefined : makeTable(weighted, config, options);
  if (table === undefined) return { pick: () => undefined };
  if (config.balanceFactor > 0)
    return new BoundedLoad(weighted, table, config.balanceFactor, options);
  return {
    pick: ({ declined }, hash) =>
      hash === undefined ? undefined : weighted[table.find(hash, declined ?? 0)]?.host,
  };
}

/** What a host is hashed by: `hash_key` of its metadata, else its name or address. */
export function hashKey({ host }: WeightedHost, { useHostname }: HashingConfig): Buffer {
  const key = host.metadata?.["envoy.lb"]?.["hash_key"];
  if (typeof key === "string" && key !== "") return Buffer.from(key, "utf8");
  return Buffer.from(useHostname ? host.hostname : host.addressText, "utf8");
}

function normalized(hosts: readonly Host[], share: number): WeightedHost[] {
  const sum = hosts.reduce((total, host) => total + host.weight, 0);
  return hosts.map((host) => ({ host, weight: (host.weight * share) / sum }));
}

/** A locality without weight gets nothing; one without hosts keeps its share from the others, as in Envoy. */
function normalizedByLocality(localities: readonly WeightedLocality[]): WeightedHost[] {
  const sum = localities.reduce((total, { weight }) => total + weight, 0);
  return localities
    .filter(({ weight }) => weight > 0)
    .sort(byName)
    .flatMap(({ hosts, weight }) => normalized(hosts, weight / sum));
}

/** Envoy's order, by which what rounding leaves is spread. */
function byName({ locality: a }: WeightedLocality, { locality: b }: WeightedLocality): number {
  return compare(a.region, b.region) || compare(a.zone, b.zone) || compare(a.subZone, b.subZone);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Consistent hashing with bounded loads (arXiv:1608.01350): a host with too many running requests passes the next on, to hosts in
 * an order that follows from the hash alone (arXiv:1908.08762).
 */
class BoundedLoad implements Picker {
  readonly #hosts: readonly WeightedHost[];
  readonly #table: HashTable;
  readonly #balanceFactor: number;
  readonly #requestsActive: { readonly value: number };
  readonly #order: Uint32Array;
  #random: MersenneTwister | undefined;

  constructor(
    hosts: readonly WeightedHost[],
    table: HashTable,
    balanceFactor: number,
    { requestsActive = { value: 0 } }: BalancerOptions,
  ) {
    this.#hosts = hosts;
    this.#table = table;
    this.#balanceFactor = balanceFactor;
    this.#requestsActive = requestsActive;
    this.#order = new Uint32Array(hosts.length);
  }

  pick({ declined }: PickContext, hash: Word64 | undefined): Host | undefined {
    if (hash === undefined) return undefined;
    const chosen = this.#table.find(hash, declined ?? 0);
    if (this.#overload(chosen) <= 1) return this.#hosts[chosen]?.host;
    return this.#hosts[this.#alternative(hash, chosen)]?.host;
  }

  /** Running requests for each one that may run here. */
  #overload(index: number): number {
    const { host, weight } = this.#hosts[index] as WeightedHost;
    const allSlots = Math.floor(
      ((this.#requestsActive.value + 1) * this.#balanceFactor + 99) / 100,
    );
    return host.requestsActive / Math.max(1, Math.ceil(allSlots * weight));
  }

  /** The first in the hash's order that is not overloaded, else the one that is so the least. */
  #alternative(hash: Word64, chosen: number): number {
    const order = this.#order;
    const count = order.length;
    for (let i = 0; i < count; i++) order[i] = i;
    this.#random ??= new MersenneTwister();
    this.#random.seed(hash.low);
    let least = chosen;
    let leastOverload = this.#overload(chosen);
    for (let i = 0; i < count; i++) {
      const j = i + below(this.#random, count - i);
      const index = order[j] as number;
      order[j] = order[i] as number;
      if (index === chosen) continue;
      const overload = this.#overload(index);
      if (overload <= 1) return index;
      if (overload < leastOverload) {
        least = index;
        leastOverload = overload;
      }
    }
    return least;
  }
}

function below(random: MersenneTwister, bound: number): number {
  const step = Math.floor(2 ** 32 / bound);
  for (;;) {
    const value = Math.floor(random.next() / step);
    if (value < bound) return value;
  }
}

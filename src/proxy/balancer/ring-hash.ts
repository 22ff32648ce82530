import { murmurHash2 } from "#lib/murmurhash2.ts";
import { Word64 } from "#lib/word64.ts";
import { xxHash64 } from "#lib/xxhash64.ts";
import type { StatsScope } from "../stats/stats.ts";
import type { BalancerFactory } from "./balancer.ts";
import { type HashTable, hashKey, hashPicker, type WeightedHost } from "./hash-picker.ts";
import type { HashingConfig } from "./hashing-config.ts";
import { type Places, SortedPlaces } from "./sorted-places.ts";

/** Ketama: each host stands at many places of a ring, and a hash goes to the next place. */
export const ringHash: BalancerFactory = {
  policy: "RING_HASH",
  byHash: true,
  make: (hosts, options) =>
    hashPicker(hosts, options, (weighted, config, { stats }) => makeRing(weighted, config, stats)),
};

function makeRing(
  hosts: readonly WeightedHost[],
  config: HashingConfig,
  stats: StatsScope | undefined,
): HashTable | undefined {
  const weightMin = hosts.reduce((least, { weight }) => Math.min(least, weight), 1);
  // So many places that the host of least weight has a whole number of them.
  const scale = Math.min(Math.ceil(weightMin * config.ringSizeMin) / weightMin, config.ringSizeMax);
  const size = Math.ceil(scale);
  const counts = placeCounts(hosts, scale);
  if (stats !== undefined) {
    const gauge = (name: string, value: number): void =>
      stats.gauge(`ring_hash_lb.${name}`).set(value);
    gauge("size", size);
    gauge(
      "min_hashes_per_host",
      counts.reduce((least, count) => Math.min(least, count), size),
    );
    gauge(
      "max_hashes_per_host",
      counts.reduce((most, count) => Math.max(most, count), 0),
    );
  }
  const places = hashPlaces(hosts, counts, config);
  return places.highs.length === 0 ? undefined : new Ring(new SortedPlaces(places));
}

class Ring implements HashTable {
  readonly #places: SortedPlaces;

  constructor(places: SortedPlaces) {
    this.#places = places;
  }

  find(hash: Word64, declined: number): number {
    const places = this.#places;
    // count itself is the first place again: the end of the ring is its beginning.
    const place = places.find(hash) + declined;
    return places.owner(place < places.count ? place : place % places.count);
  }
}

/** Fractions are carried over to the next host, in Envoy's very steps, so that rounding falls alike. */
function placeCounts(hosts: readonly WeightedHost[], scale: number): number[] {
  let current = 0;
  let target = 0;
  return hosts.map(({ weight }) => {
    target += scale * weight;
    let count = 0;
    for (; current < target; current++) count++;
    return count;
  });
}

/** A host's places are the hashes of `key_0`, `key_1` … */
function hashPlaces(
  hosts: readonly WeightedHost[],
  counts: readonly number[],
  config: HashingConfig,
): Places {
  const count = counts.reduce((sum, own) => sum + own, 0);
  const highs = new Uint32Array(count);
  const lows = new Uint32Array(count);
  const owners = new Uint32Array(count);
  const hash = new Word64();
  const hashBytes = config.murmur ? murmurHash2 : xxHash64;
  let at = 0;
  for (const [owner, host] of hosts.entries()) {
    const key = hashKey(host, config);
    const text = Buffer.concat([key, Buffer.from("_"), Buffer.alloc(digitsMax)]);
    for (let i = 0; i < (counts[owner] ?? 0); i++, at++) {
      hashBytes(hash, text, writeDigits(text, key.length + 1, i));
      highs[at] = hash.high;
      lows[at] = hash.low;
      owners[at] = owner;
    }
  }
  return { highs, lows, owners };
}

const digitsMax = 10;

/** Returns where they end. */
function writeDigits(bytes: Uint8Array, start: number, value: number): number {
  let end = start + 1;
  for (let rest = value; rest >= 10; rest = Math.trunc(rest / 10)) end++;
  let rest = value;
  for (let at = end - 1; at >= start; at--) {
    bytes[at] = 0x30 + (rest % 10);
    rest = Math.trunc(rest / 10);
  }
  return end;
}

import { murmurHash2 } from "#lib/murmurhash2.ts";
import { Word64 } from "#lib/word64.ts";
import { xxHash64 } from "#lib/xxhash64.ts";
import type { StatsScope } from "../stats/stats.ts";
import type { BalancerFactory } from "./balancer.ts";
import { type HashTable, hashKey, hashPicker, type WeightedHost } from "./hash-picker.ts";
import type { HashingConfig } from "./hashing-config.ts";

/** Ketama: each host stands at many places of a ring, and a hash goes to the next place. */
export const ringHash: BalancerFactory = {
  policy: "RING_HASH",
  byHash: true,
  make: (hosts, options) =>
    hashPicker(hosts, options, (weighted, config, { stats }) => {
      const ring = new Ring(weighted, config);
      if (stats !== undefined) report(ring, stats);
      return ring.places === 0 ? undefined : ring;
    }),
};

function report(ring: Ring, stats: StatsScope): void {
  stats.gauge("ring_hash_lb.size").set(ring.size);
  stats.gauge("ring_hash_lb.min_hashes_per_host").set(ring.hashesMin);
  stats.gauge("ring_hash_lb.max_hashes_per_host").set(ring.hashesMax);
}

class Ring implements HashTable {
  /** As planned, and so counted; places may be one fewer or more. */
  readonly size: number;
  /** The fewest and the most of one host. */
  readonly hashesMin: number;
  readonly hashesMax: number;
  readonly places: number;
  /** The places' hashes in ascending order, each as its lower and its upper half. */
  readonly #hashes: Uint32Array;
  /** By place. */
  readonly #hosts: Uint32Array;

  constructor(hosts: readonly WeightedHost[], config: HashingConfig) {
    const weightMin = hosts.reduce((least, { weight }) => Math.min(least, weight), 1);
    // So many that the host of least weight has a whole number of places.
    const scale = Math.min(
      Math.ceil(weightMin * config.ringSizeMin) / weightMin,
      config.ringSizeMax,
    );
    this.size = Math.ceil(scale);
    const counts = placeCounts(hosts, scale);
    this.places = counts.reduce((sum, count) => sum + count, 0);
    this.hashesMin = counts.reduce((least, count) => Math.min(least, count), this.size);
    this.hashesMax = counts.reduce((most, count) => Math.max(most, count), 0);
    const unsorted = hashPlaces(hosts, counts, config);
    this.#hashes = sorted(unsorted);
    this.#hosts = new Uint32Array(this.places);
    this.#assignHosts(unsorted, counts);
  }

  /** Hashes were sorted alone, which is native; whose they are is found again by searching. */
  #assignHosts(unsorted: Uint32Array, counts: readonly number[]): void {
    const taken = new Uint8Array(this.places);
    let at = 0;
    for (const [index, count] of counts.entries()) {
      for (let i = 0; i < count; i++, at += 2) {
        let place = this.#placeOf(unsorted[at + 1] as number, unsorted[at] as number);
        while (taken[place] === 1) place++;
        taken[place] = 1;
        this.#hosts[place] = index;
      }
    }
  }

  find(hash: Word64, declined: number): number {
    const place = this.#placeOf(hash.high >>> 0, hash.low >>> 0) + declined;
    return this.#hosts[place < this.places ? place : place % this.places] as number;
  }

  /** The first place whose hash is not below this one; the number of places if all are. */
  #placeOf(high: number, low: number): number {
    const hashes = this.#hashes;
    let from = 0;
    let to = this.places;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const middleHigh = hashes[2 * middle + 1] as number;
      const isBelow =
        middleHigh < high || (middleHigh === high && (hashes[2 * middle] as number) < low);
      if (isBelow) from = middle + 1;
      else to = middle;
    }
    return from;
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

/** Hashes of `key_0`, `key_1` …, each as its lower and its upper half. */
function hashPlaces(
  hosts: readonly WeightedHost[],
  counts: readonly number[],
  config: HashingConfig,
): Uint32Array {
  const places = counts.reduce((sum, count) => sum + count, 0);
  const hashes = new Uint32Array(2 * places);
  const hash = new Word64();
  const hashBytes = config.murmur ? murmurHash2 : xxHash64;
  let at = 0;
  for (const [index, host] of hosts.entries()) {
    const key = hashKey(host, config);
    const text = Buffer.concat([key, Buffer.from("_"), Buffer.alloc(digitsMax)]);
    for (let i = 0; i < (counts[index] ?? 0); i++) {
      const length = key.length + 1 + text.write(String(i), key.length + 1, "latin1");
      hashBytes(hash, text, length);
      hashes[at++] = hash.low;
      hashes[at++] = hash.high;
    }
  }
  return hashes;
}

const digitsMax = 10;

/** On the little-endian machines that we run on, a pair of halves is one number of 64 bits. */
function sorted(hashes: Uint32Array): Uint32Array {
  const copy = hashes.slice();
  new BigUint64Array(copy.buffer).sort();
  return copy;
}

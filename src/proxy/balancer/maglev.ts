import { Word64 } from "#lib/word64.ts";
import { xxHash64, xxHash64Seeded } from "#lib/xxhash64.ts";
import type { StatsScope } from "../stats/stats.ts";
import type { BalancerFactory } from "./balancer.ts";
import { type HashTable, hashKey, hashPicker, type WeightedHost } from "./hash-picker.ts";
import type { HashingConfig } from "./hashing-config.ts";

/** Maglev (Eisenbud et al., NSDI 2016, §3.4): hosts take turns at filling a table, each in an order of its own. */
export const maglev: BalancerFactory = {
  policy: "MAGLEV",
  byHash: true,
  make: (hosts, options) =>
    hashPicker(hosts, options, (weighted, config, { stats }) => {
      const table = new MaglevTable(weighted, config);
      if (stats !== undefined) report(table, stats);
      return table;
    }),
};

function report(table: MaglevTable, stats: StatsScope): void {
  stats.gauge("maglev_lb.min_entries_per_host").set(table.entriesMin);
  stats.gauge("maglev_lb.max_entries_per_host").set(table.entriesMax);
}

/** A host while the table is filled. */
interface Filler {
  readonly host: number;
  readonly weight: number;
  /** Its next choice, and how far the one after it is. */
  entry: number;
  readonly skip: number;
  targetWeight: number;
  entries: number;
}

class MaglevTable implements HashTable {
  readonly entriesMin: number;
  readonly entriesMax: number;
  readonly #size: number;
  /** By entry: the host's index. */
  readonly #hosts: Uint32Array;
  readonly #changed = new Word64();

  constructor(hosts: readonly WeightedHost[], config: HashingConfig) {
    this.#size = config.tableSize;
    const fillers = makeFillers(hosts, config);
    this.#hosts = fill(fillers, this.#size);
    this.entriesMin = fillers.reduce((least, { entries }) => Math.min(least, entries), this.#size);
    this.entriesMax = fillers.reduce((most, { entries }) => Math.max(most, entries), 0);
  }

  find(hash: Word64, declined: number): number {
    if (declined === 0) return this.#hosts[hash.modulo(this.#size)] as number;
    // Many changed bits make it unlikely that all retries of a host's requests meet at one other host.
    const changed = this.#changed.copy(hash).xor(-1, -declined);
    return this.#hosts[changed.modulo(this.#size)] as number;
  }
}

/** In the order of their keys, so that the table does not depend on the order of the hosts. */
function makeFillers(hosts: readonly WeightedHost[], config: HashingConfig): Filler[] {
  const hash = new Word64();
  const size = config.tableSize;
  return hosts
    .map((weighted, host) => ({ host, weight: weighted.weight, key: hashKey(weighted, config) }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .map(({ host, weight, key }) => ({
      host,
      weight,
      entry: xxHash64(hash, key).modulo(size),
      skip: (xxHash64Seeded(hash.set(0, 1), key).modulo(size - 1) + 1) % size,
      targetWeight: 0,
      entries: 0,
    }));
}

function fill(fillers: readonly Filler[], size: number): Uint32Array {
  const table = new Uint32Array(size);
  const taken = new Uint8Array(size);
  const weightMax = fillers.reduce((most, { weight }) => Math.max(most, weight), 0);
  let filled = 0;
  for (let turn = 1; filled < size; turn++) {
    for (const filler of fillers) {
      if (filled === size) break;
      // A host of the greatest weight takes every turn, one of a third of it every third.
      if (turn * filler.weight < filler.targetWeight) continue;
      filler.targetWeight += weightMax;
      let { entry } = filler;
      while (taken[entry] === 1) entry = advance(entry, filler.skip, size);
      taken[entry] = 1;
      table[entry] = filler.host;
      filler.entry = advance(entry, filler.skip, size);
      filler.entries++;
      filled++;
    }
  }
  return table;
}

function advance(entry: number, skip: number, size: number): number {
  const next = entry + skip;
  return next < size ? next : next - size;
}

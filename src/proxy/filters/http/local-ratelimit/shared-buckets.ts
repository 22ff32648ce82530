import { hash } from "node:crypto";
import type { Clock } from "#lib/clock.ts";
import { SharedTokenBucket } from "#lib/shared-token-bucket.ts";
import type { TokenBucketOptions } from "#lib/token-bucket.ts";
import { cellsPerOpenBucket, openBucketCells } from "../../../shared-slots.ts";
import type { OpenBuckets, RatedBucket } from "./limiter.ts";

/** How many places a key may have: few enough to look at all of them. */
const waysMax = 32;

export interface SharedBucketsOptions {
  readonly clock: Clock;
  /** As `openBucketCells(max)` says, in shared memory. */
  readonly cells: BigInt64Array;
  /** At least 1. */
  readonly max: number;
  readonly bucket: TokenBucketOptions;
  /** The same in all workers, and nobody else's: else a client could find a key that falls together with another's. */
  readonly secret: Uint8Array;
}

/**
 * Buckets by key for all workers: a table in shared memory, in which the least recently used of the places that a key may have goes
 * for a new one. Two workers that meet a key at the same moment may give it two buckets for a while.
 */
export class SharedBuckets implements OpenBuckets {
  readonly #cells: BigInt64Array;
  readonly #buckets: readonly RatedBucket[];
  readonly #ways: number;
  readonly #sets: number;
  readonly #salt: string;

  constructor({ clock, cells, max, bucket, secret }: SharedBucketsOptions) {
    this.#cells = cells.subarray(0, openBucketCells(max));
    this.#sets = Math.ceil(max / waysMax);
    this.#ways = Math.floor(max / this.#sets);
    this.#salt = hash("sha256", Buffer.concat([secret, Buffer.from("local_ratelimit")]), "hex");
    this.#buckets = Array.from({ length: this.#ways * this.#sets }, (_, place) => {
      const at = tokensAt(place);
      const cell = cells.subarray(at, at + 1);
      return {
        bucket: new SharedTokenBucket(clock, { ...bucket, cell }),
        rate: bucket.tokensPerFill / bucket.fillIntervalMs,
      };
    });
  }

  of(key: string): RatedBucket {
    const digest = hash("sha256", Buffer.from(this.#salt + key, "latin1"), "buffer");
    // 0 stands for a free place.
    const name = digest.readBigInt64LE(0) || 1n;
    const first = (digest.readUInt32LE(8) % this.#sets) * this.#ways;
    const place = this.#find(first, name) ?? this.#claim(first, name);
    // The first cell counts uses: what was used last has the highest number.
    Atomics.store(this.#cells, usedAt(place), Atomics.add(this.#cells, 0, 1n) + 1n);
    return this.#buckets[place] as RatedBucket;
  }

  #find(first: number, name: bigint): number | undefined {
    for (let place = first; place < first + this.#ways; place++)
      if (Atomics.load(this.#cells, nameAt(place)) === name) return place;
    return undefined;
  }

  #claim(first: number, name: bigint): number {
    let oldest = first;
    for (let place = first + 1; place < first + this.#ways; place++)
      if (this.#used(place) < this.#used(oldest)) oldest = place;
    const before = Atomics.load(this.#cells, nameAt(oldest));
    // Another worker may have been quicker: then that place is as good as any.
    if (Atomics.compareExchange(this.#cells, nameAt(oldest), before, name) === before)
      Atomics.store(this.#cells, tokensAt(oldest), 0n);
    return oldest;
  }

  #used(place: number): bigint {
    return Atomics.load(this.#cells, usedAt(place));
  }
}

function nameAt(place: number): number {
  return 1 + place * cellsPerOpenBucket;
}

function usedAt(place: number): number {
  return nameAt(place) + 1;
}

function tokensAt(place: number): number {
  return nameAt(place) + 2;
}

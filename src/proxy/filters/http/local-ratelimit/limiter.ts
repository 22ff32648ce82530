import type { DescriptorEntry } from "../../../rate-limit/actions.ts";
import type { Bucket } from "../../../rate-limit/buckets.ts";

/** A bucket and how fast it fills, in tokens a millisecond. */
export interface RatedBucket {
  readonly bucket: Bucket;
  readonly rate: number;
}

/** What a request says of itself, and what it costs. */
export interface Descriptor {
  readonly entries: readonly DescriptorEntry[];
  readonly cost: number;
}

/** The bucket is the one that decided, or whose state the client is told. */
export interface Decision {
  readonly allowed: boolean;
  readonly bucket: Bucket | undefined;
}

/** Buckets that are made when their key is first seen; not more than a limit. */
export interface OpenBuckets {
  of(key: string): RatedBucket;
}

/** A configured descriptor of which some values are left open: a bucket for each that is seen. */
export interface OpenDescriptor {
  readonly entries: readonly DescriptorEntry[];
  readonly buckets: OpenBuckets;
}

export interface LimiterOptions {
  /** Of requests that no descriptor knows, and by `alwaysDefault` of all. */
  readonly fallback: Bucket | undefined;
  readonly alwaysDefault: boolean;
  readonly closed: ReadonlyMap<string, RatedBucket>;
  readonly open: readonly OpenDescriptor[];
}

/** A descriptor as a key. No value holds a NUL: message heads have none, configuration is text. */
export function descriptorKey(entries: readonly DescriptorEntry[]): string {
  let key = "";
  for (const entry of entries) key += `${entry.key}\0${entry.value}\0`;
  return key;
}

export class Limiter {
  readonly #options: LimiterOptions;
  readonly #passed: Decision;
  readonly #refused: Decision;

  constructor(options: LimiterOptions) {
    this.#options = options;
    this.#passed = { allowed: true, bucket: options.fallback };
    this.#refused = { allowed: false, bucket: options.fallback };
  }

  decide(descriptors: readonly Descriptor[]): Decision {
    const { alwaysDefault, fallback } = this.#options;
    const matched = descriptors.length === 0 ? none : this.#match(descriptors);
    // The strictest first: a request that it refuses takes nothing from the others.
    if (matched.length > 1) matched.sort((a, b) => a.rate - b.rate);
    for (const { bucket, cost } of matched)
      if (cost <= 0 || !bucket.take(cost)) return { allowed: false, bucket };
    const first = matched[0]?.bucket;
    if (first !== undefined && !alwaysDefault) return { allowed: true, bucket: first };
    if (fallback !== undefined && !fallback.take(1)) return this.#refused;
    return first === undefined ? this.#passed : { allowed: true, bucket: first };
  }

  #match(descriptors: readonly Descriptor[]): Charge[] {
    const { closed, open } = this.#options;
    const matched: Charge[] = [];
    for (const { entries, cost } of descriptors) {
      const key = descriptorKey(entries);
      const found = closed.get(key) ?? openBucket(open, entries, key);
      if (found !== undefined) matched.push({ bucket: found.bucket, rate: found.rate, cost });
    }
    return matched;
  }
}

interface Charge extends RatedBucket {
  readonly cost: number;
}

const none: Charge[] = [];

function openBucket(
  open: readonly OpenDescriptor[],
  entries: readonly DescriptorEntry[],
  key: string,
): RatedBucket | undefined {
  for (const candidate of open)
    if (fits(candidate.entries, entries)) return candidate.buckets.of(key);
  return undefined;
}

/** An empty value of the configuration is open. */
function fits(configured: readonly DescriptorEntry[], asked: readonly DescriptorEntry[]): boolean {
  if (configured.length !== asked.length) return false;
  for (const [index, { key, value }] of configured.entries()) {
    const entry = asked[index];
    if (entry?.key !== key || (value !== "" && entry.value !== value)) return false;
  }
  return true;
}

interface Recent {
  readonly key: string;
  readonly bucket: RatedBucket;
  newer: Recent | undefined;
  older: Recent | undefined;
}

/** Buckets by key, as many as are allowed: the least recently used goes for a new one. */
export class RecentBuckets implements OpenBuckets {
  readonly #max: number;
  readonly #make: () => RatedBucket;
  readonly #byKey = new Map<string, Recent>();
  #newest: Recent | undefined;
  #oldest: Recent | undefined;

  constructor(max: number, make: () => RatedBucket) {
    this.#max = max;
    this.#make = make;
  }

  of(key: string): RatedBucket {
    let recent = this.#byKey.get(key);
    if (recent === undefined) {
      recent = { key, bucket: this.#make(), newer: undefined, older: undefined };
      this.#byKey.set(key, recent);
    } else {
      if (recent === this.#newest) return recent.bucket;
      this.#unlink(recent);
    }
    this.#linkNewest(recent);
    if (this.#byKey.size > this.#max && this.#oldest !== undefined) {
      this.#byKey.delete(this.#oldest.key);
      this.#unlink(this.#oldest);
    }
    return recent.bucket;
  }

  #linkNewest(recent: Recent): void {
    recent.newer = undefined;
    recent.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = recent;
    else this.#newest.newer = recent;
    this.#newest = recent;
  }

  #unlink(recent: Recent): void {
    if (recent.newer === undefined) this.#newest = recent.older;
    else recent.newer.older = recent.older;
    if (recent.older === undefined) this.#oldest = recent.newer;
    else recent.older.newer = recent.newer;
  }
}

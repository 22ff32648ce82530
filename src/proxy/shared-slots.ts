/** Of a bucket for an open rate-limit descriptor: its name, its last use, its tokens. */
export const cellsPerOpenBucket = 3;
/** `max_dynamic_descriptors` where it is not given. */
export const openBucketsDefault = 20;

/**
 * Numbers that the workers of a process share. All compile the same configuration in the same order, so whoever asks as the n-th in one
 * worker shares with the n-th in the others.
 */
export class SharedSlots {
  readonly #slots: BigInt64Array;
  #next = 0;

  /** One for each worker, over the same buffer. */
  constructor(buffer: SharedArrayBuffer) {
    this.#slots = new BigInt64Array(buffer);
  }

  /** Room for a number for each extension and each token bucket of configurations, and for the buckets of open descriptors. */
  static allocate(configs: readonly object[]): SharedArrayBuffer {
    const count = roomFor(configs);
    return new SharedArrayBuffer(count * BigInt64Array.BYTES_PER_ELEMENT);
  }

  /** Numbers that are 0 at first; undefined when too few are left: then each worker counts for itself. */
  take(count = 1): BigInt64Array | undefined {
    const end = this.#next + count;
    if (end > this.#slots.length) return undefined;
    this.#next = end;
    return this.#slots.subarray(end - count, end);
  }
}

/** A counter for all, and each bucket's own. */
export function openBucketCells(max: number): number {
  return 1 + max * cellsPerOpenBucket;
}

function roomFor(config: unknown): number {
  if (typeof config !== "object" || config === null) return 0;
  let count = 0;
  for (const [name, value] of Object.entries(config)) {
    if (name === "@type" || name === "tokenBucket") count += 1;
    else if (name === "descriptors") count += roomForOpen(config, value);
    count += roomFor(value);
  }
  return count;
}

/** `descriptors` of a local rate limit: those of which a value is open. */
function roomForOpen(config: { maxDynamicDescriptors?: number }, descriptors: unknown): number {
  if (!Array.isArray(descriptors)) return 0;
  const open = descriptors.filter((descriptor: { entries?: readonly { value?: string }[] }) =>
    descriptor.entries?.some(({ value = "" }) => value === ""),
  );
  return open.length * openBucketCells(config.maxDynamicDescriptors ?? openBucketsDefault);
}

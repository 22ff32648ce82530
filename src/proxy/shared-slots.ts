import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";

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

  /** Room for a number for each extension and each token bucket of the listeners. */
  static allocate(bootstrap: BootstrapJson): SharedArrayBuffer {
    const count = roomFor(bootstrap.staticResources?.listeners ?? []);
    return new SharedArrayBuffer(count * BigInt64Array.BYTES_PER_ELEMENT);
  }

  /** A number that is 0 at first; undefined when all are given away: then each worker counts for itself. */
  take(): BigInt64Array | undefined {
    if (this.#next === this.#slots.length) return undefined;
    this.#next += 1;
    return this.#slots.subarray(this.#next - 1, this.#next);
  }
}

function roomFor(config: unknown): number {
  if (typeof config !== "object" || config === null) return 0;
  let count = 0;
  for (const [name, value] of Object.entries(config)) {
    if (name === "@type" || name === "tokenBucket") count += 1;
    count += roomFor(value);
  }
  return count;
}

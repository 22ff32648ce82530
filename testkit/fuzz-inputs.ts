/** `HEDDLE_FUZZ_SEED` starts from the seed that a failure printed; then one input is enough. */
export interface FuzzOptions {
  readonly inputs: number;
}

const firstSeed = 20_261_121;

/** mulberry32: small, fast and the same everywhere. */
export class FuzzRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

/** Each input has a seed of its own, so that a failure names the one that replays it. */
export async function eachInput(
  options: FuzzOptions,
  check: (random: FuzzRandom) => Promise<void> | void,
): Promise<void> {
  // biome-ignore lint/style/noProcessEnv: the way to replay one input of a test run
  const replayed = process.env["HEDDLE_FUZZ_SEED"];
  const first = replayed === undefined ? firstSeed : Number(replayed);
  const count = replayed === undefined ? options.inputs : 1;
  for (let seed = first; seed < first + count; seed++) {
    try {
      await check(new FuzzRandom(seed));
    } catch (error) {
      throw new Error(`replay with HEDDLE_FUZZ_SEED=${seed}`, { cause: error });
    }
  }
}

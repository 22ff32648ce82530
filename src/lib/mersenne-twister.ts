const size = 624;
const shift = 397;

/** MT19937: the same numbers for the same seed in every language (`std::mt19937`). */
export class MersenneTwister {
  readonly #state = new Uint32Array(size);
  #at = size;

  seed(seed: number): void {
    const state = this.#state;
    state[0] = seed;
    for (let i = 1; i < size; i++) {
      const before = state[i - 1] as number;
      state[i] = Math.imul(1812433253, before ^ (before >>> 30)) + i;
    }
    this.#at = size;
  }

  /** 32 bits. */
  next(): number {
    if (this.#at === size) this.#twist();
    let value = this.#state[this.#at++] as number;
    value ^= value >>> 11;
    value ^= (value << 7) & 0x9d2c5680;
    value ^= (value << 15) & 0xefc60000;
    return (value ^ (value >>> 18)) >>> 0;
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < size; i++) {
      const bits =
        ((state[i] as number) & 0x80000000) | ((state[(i + 1) % size] as number) & 0x7fffffff);
      const mixed = (state[(i + shift) % size] as number) ^ (bits >>> 1);
      state[i] = bits & 1 ? mixed ^ 0x9908b0df : mixed;
    }
    this.#at = 0;
  }
}

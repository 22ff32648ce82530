import type { Random } from "#lib/random.ts";

/** The same numbers for the same seed (mulberry32), so that a failing test fails again. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const unit = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  let ids = 0;
  return {
    unit,
    below: (bound) => Math.floor(unit() * bound),
    uuid: () => `00000000-0000-4000-8000-${String(ids++).padStart(12, "0")}`,
  };
}

import type { Word64 } from "#lib/word64.ts";

/** Places on a ring by their 64-bit hashes, in two halves, and whose each is. */
export interface Places {
  readonly highs: Uint32Array;
  readonly lows: Uint32Array;
  readonly owners: Uint32Array;
}

/**
 * Places in ascending order of their hashes. Because hashes are spread evenly, their upper bits nearly are the order: they sort by
 * them, and lead each search to one or two places, in a ring of thousands as of millions. At least one place.
 */
export class SortedPlaces {
  readonly #sorted: Places;
  /** By the upper bits of a hash: where its places begin, and after the last of them the end. */
  readonly #starts: Uint32Array;
  readonly #shift: number;

  constructor(unsorted: Places) {
    const count = unsorted.highs.length;
    this.#shift = Math.min(31, Math.clz32(count) + 1);
    this.#starts = bucketStarts(unsorted.highs, this.#shift);
    this.#sorted = scatter(unsorted, this.#starts.slice(), this.#shift);
    finish(this.#sorted);
  }

  get count(): number {
    return this.#sorted.highs.length;
  }

  owner(place: number): number {
    return this.#sorted.owners[place] as number;
  }

  /** The first place whose hash is not below this one; `count` if there is none. */
  find(hash: Word64): number {
    const high = hash.high >>> 0;
    const low = hash.low >>> 0;
    const bucket = high >>> this.#shift;
    const { highs, lows } = this.#sorted;
    let from = this.#starts[bucket] as number;
    let to = this.#starts[bucket + 1] as number;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const middleHigh = highs[middle] as number;
      if (middleHigh < high || (middleHigh === high && (lows[middle] as number) < low))
        from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

function bucketStarts(highs: Uint32Array, shift: number): Uint32Array {
  const starts = new Uint32Array((0xffffffff >>> shift) + 2);
  for (const high of highs) {
    const next = (high >>> shift) + 1;
    starts[next] = (starts[next] as number) + 1;
  }
  for (let i = 1; i < starts.length; i++)
    starts[i] = (starts[i] as number) + (starts[i - 1] as number);
  return starts;
}

/** `next`: where each bucket's next place goes; used up. */
function scatter({ highs, lows, owners }: Places, next: Uint32Array, shift: number): Places {
  const sorted = {
    highs: new Uint32Array(highs.length),
    lows: new Uint32Array(highs.length),
    owners: new Uint32Array(highs.length),
  };
  for (let i = 0; i < highs.length; i++) {
    const high = highs[i] as number;
    const bucket = high >>> shift;
    const place = next[bucket] as number;
    next[bucket] = place + 1;
    sorted.highs[place] = high;
    sorted.lows[place] = lows[i] as number;
    sorted.owners[place] = owners[i] as number;
  }
  return sorted;
}

/** Sorting by insertion: hardly any place is far from where it belongs. */
function finish({ highs, lows, owners }: Places): void {
  for (let i = 1; i < highs.length; i++) {
    const high = highs[i] as number;
    const low = lows[i] as number;
    const owner = owners[i] as number;
    let at = i;
    for (; at > 0; at--) {
      const before = highs[at - 1] as number;
      if (before < high || (before === high && (lows[at - 1] as number) <= low)) break;
      highs[at] = before;
      lows[at] = lows[at - 1] as number;
      owners[at] = owners[at - 1] as number;
    }
    if (at === i) continue;
    highs[at] = high;
    lows[at] = low;
    owners[at] = owner;
  }
}

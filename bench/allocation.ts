/** One line of V8's `--trace-gc`. */
export interface Collection {
  readonly isolate: string;
  readonly atMs: number;
  readonly beforeMb: number;
  readonly afterMb: number;
  readonly pauseMs: number;
}

export interface Allocation {
  readonly bytesPerSecond: number;
  readonly collectionsPerSecond: number;
  readonly pauseMsMean: number;
  readonly pauseMsMax: number;
}

const line =
  /\[\d+:(\w+)[^\]]*\]\s+(\d+(?:\.\d+)?) ms: [A-Z][^\n]*? (\d+(?:\.\d+)?) \([\d.]+\) -> (\d+(?:\.\d+)?) \([\d.]+\) MB, [^\n]*?(\d+(?:\.\d+)?) \/ /g;

export function readCollections(output: string): readonly Collection[] {
  return [...output.matchAll(line)].map(([, isolate = "", at, before, after, pause]) => ({
    isolate,
    atMs: Number(at),
    beforeMb: Number(before),
    afterMb: Number(after),
    pauseMs: Number(pause),
  }));
}

/**
 * What was allocated between the first and the last collection: each one finds on the heap what the one before left
 * and everything that was allocated since. Threads have heaps of their own and are added up.
 */
export function allocationOf(collections: readonly Collection[]): Allocation {
  const isolates = new Map<string, Collection[]>();
  for (const collection of collections) {
    const known = isolates.get(collection.isolate);
    if (known === undefined) isolates.set(collection.isolate, [collection]);
    else known.push(collection);
  }
  const pauses = collections.map(({ pauseMs }) => pauseMs);
  const lists = [...isolates.values()].filter((list) => list.length > 1);
  return {
    bytesPerSecond: lists.reduce((sum, list) => sum + rateOf(list), 0),
    collectionsPerSecond: lists.reduce(
      (sum, list) => sum + ((list.length - 1) * 1000) / elapsedMs(list),
      0,
    ),
    pauseMsMean: pauses.reduce((sum, pause) => sum + pause, 0) / pauses.length,
    pauseMsMax: Math.max(...pauses),
  };
}

function rateOf(list: readonly Collection[]): number {
  let allocatedMb = 0;
  for (const [index, { beforeMb }] of list.entries()) {
    const previous = list[index - 1];
    if (previous !== undefined) allocatedMb += beforeMb - previous.afterMb;
  }
  return (allocatedMb * 2 ** 20 * 1000) / elapsedMs(list);
}

function elapsedMs(list: readonly Collection[]): number {
  return (list.at(-1)?.atMs ?? 0) - (list[0]?.atMs ?? 0);
}

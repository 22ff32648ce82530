/** What is counted of a host: whole numbers that wrap, one after the other. */
export const Cell = {
  consecutive5xx: 0,
  consecutiveGatewayFailure: 1,
  consecutiveLocalOriginFailure: 2,
  requests: 3,
  successes: 4,
  localOriginRequests: 5,
  localOriginSuccesses: 6,
} as const;

export type CellIndex = (typeof Cell)[keyof typeof Cell];

const cellsPerHost = 8;
const hostsPerChunk = 64;

/** Where the counts of a cluster's hosts are, as workers are told with the membership. */
export interface OutlierSlots {
  readonly chunks: readonly (SharedArrayBuffer | ArrayBuffer)[];
  /** By `outlierKey`. */
  readonly slots: Readonly<Record<string, number>>;
}

/** The name that a host has between the main thread and the workers. */
export function outlierKey(host: {
  readonly priority: number;
  readonly addressText: string;
}): string {
  return `${host.priority} ${host.addressText}`;
}

/** One host's counts. Workers add, the main thread reads and begins anew; without threads no operation need be atomic. */
export class HostCells {
  readonly #cells: Int32Array;
  readonly #shared: boolean;

  constructor(chunks: OutlierSlots["chunks"], slot: number) {
    const chunk = chunks[Math.floor(slot / hostsPerChunk)];
    if (chunk === undefined) throw new Error(`slot ${slot} is outside of its memory`);
    const offset = (slot % hostsPerChunk) * cellsPerHost * Int32Array.BYTES_PER_ELEMENT;
    this.#cells = new Int32Array(chunk, offset, cellsPerHost);
    this.#shared = chunk instanceof SharedArrayBuffer;
  }

  /** Count one more; what it is then. */
  add(cell: CellIndex): number {
    if (this.#shared) return Atomics.add(this.#cells, cell, 1) + 1;
    const value = (this.#cells[cell] ?? 0) + 1;
    this.#cells[cell] = value;
    return value;
  }

  /** What it was. */
  take(cell: CellIndex): number {
    const value = this.#cells[cell] ?? 0;
    if (value === 0) return 0;
    if (this.#shared) return Atomics.exchange(this.#cells, cell, 0);
    this.#cells[cell] = 0;
    return value;
  }
}

/** The main thread's side of the memory of one cluster: a slot for each host, given back when it leaves. */
export class SlotMemory {
  readonly #shared: boolean;
  readonly #chunks: (SharedArrayBuffer | ArrayBuffer)[] = [];
  readonly #free: number[] = [];

  constructor(shared: boolean) {
    this.#shared = shared;
  }

  get chunks(): OutlierSlots["chunks"] {
    return this.#chunks;
  }

  take(): number {
    if (this.#free.length === 0) this.#grow();
    const slot = this.#free.pop() ?? 0;
    const cells = this.cells(slot);
    for (const cell of Object.values(Cell)) cells.take(cell);
    return slot;
  }

  cells(slot: number): HostCells {
    return new HostCells(this.#chunks, slot);
  }

  give(slot: number): void {
    this.#free.push(slot);
  }

  #grow(): void {
    const bytes = hostsPerChunk * cellsPerHost * Int32Array.BYTES_PER_ELEMENT;
    const first = this.#chunks.length * hostsPerChunk;
    this.#chunks.push(this.#shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes));
    for (let slot = first + hostsPerChunk - 1; slot >= first; slot--) this.#free.push(slot);
  }
}

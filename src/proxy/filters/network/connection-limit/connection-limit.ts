import { Timer, type TimerList } from "#lib/timers.ts";
import type { Connection } from "#net/connection.ts";
import type { Counter, Gauge } from "../../../stats/stats.ts";
import type { DataVerdict, NetworkFilter, NetworkVerdict } from "../filter.ts";

export interface ConnectionLimitSettings {
  readonly connectionsMax: number;
  /** Refused connections are held so long: a client that tries again at once is slowed down. */
  readonly delay: TimerList | undefined;
  readonly enabled: () => boolean;
  readonly active: Gauge;
  readonly limited: Counter;
  /** One number: the connections of this filter chain in all workers. Refused ones count until they are closed. */
  readonly counted: BigInt64Array;
}

/** Closes connections above a number. Its timer holds a refused one. */
export class ConnectionLimit extends Timer implements NetworkFilter {
  readonly #settings: ConnectionLimitSettings;
  readonly #connection: Connection;
  #state: "uncounted" | "admitted" | "refused" = "uncounted";

  constructor(settings: ConnectionLimitSettings, connection: Connection) {
    super();
    this.#settings = settings;
    this.#connection = connection;
  }

  onConnect(): NetworkVerdict {
    const { connectionsMax, counted, active, limited, enabled, delay } = this.#settings;
    if (!enabled()) return "continue";
    const isOver = Atomics.add(counted, 0, 1n) >= connectionsMax;
    active.inc();
    this.#state = isOver ? "refused" : "admitted";
    if (!isOver) return "continue";
    limited.inc();
    if (delay === undefined) this.#connection.destroy();
    else delay.arm(this);
    return "park";
  }

  onData(_chunk: Uint8Array, end: boolean): DataVerdict {
    if (this.#state !== "refused") return "continue";
    // Bytes are read and dropped: else it would not be seen that the client gives up.
    if (end) this.#connection.destroy();
    return "consume";
  }

  onTimer(): void {
    this.#connection.destroy();
  }

  onClose(): void {
    this.cancel();
    if (this.#state === "uncounted") return;
    this.#state = "uncounted";
    Atomics.sub(this.#settings.counted, 0, 1n);
    this.#settings.active.dec();
  }
}

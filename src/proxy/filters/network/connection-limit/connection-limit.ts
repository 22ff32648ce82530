import { Timer, type TimerList } from "#lib/timers.ts";
import type { Connection } from "#net/connection.ts";
import type { Counter, Gauge } from "../../../stats/stats.ts";
import type { NetworkFilter, NetworkVerdict } from "../filter.ts";

export interface ConnectionLimitSettings {
  readonly connectionsMax: number;
  /** Refused connections are held so long: a client that tries again at once is slowed down. */
  readonly delay: TimerList | undefined;
  readonly enabled: () => boolean;
  readonly active: Gauge;
  readonly limited: Counter;
  /** Of this filter chain in this worker; refused ones count until they are closed. */
  readonly counted: { connections: number };
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
    const isOver = counted.connections >= connectionsMax;
    counted.connections += 1;
    active.inc();
    this.#state = isOver ? "refused" : "admitted";
    if (!isOver) return "continue";
    limited.inc();
    if (delay === undefined) this.#connection.destroy();
    else delay.arm(this);
    return "park";
  }

  onData(): NetworkVerdict {
    return this.#state === "refused" ? "park" : "continue";
  }

  onTimer(): void {
    this.#connection.destroy();
  }

  onClose(): void {
    this.cancel();
    if (this.#state === "uncounted") return;
    this.#state = "uncounted";
    this.#settings.counted.connections -= 1;
    this.#settings.active.dec();
  }
}

import type { Host } from "../cluster/host.ts";
import type { HttpPool } from "./http-pool.ts";

const sweepMin = 64;

/**
 * Pools whose connections begin with what one downstream connection says (a PROXY header), so that nobody else may use them. They
 * come and go with clients: the empty ones are thrown out whenever their number has doubled.
 */
export class PreambledPools {
  readonly #byHost: Map<Host, Map<string, HttpPool>> = new Map();
  #size = 0;
  #sweepAt: number = sweepMin;

  of(host: Host, key: string, make: () => HttpPool): HttpPool {
    let pools = this.#byHost.get(host);
    if (pools === undefined) {
      pools = new Map();
      this.#byHost.set(host, pools);
    }
    const known = pools.get(key);
    if (known !== undefined) return known;
    if (this.#size >= this.#sweepAt) this.#sweep();
    const made = make();
    pools.set(key, made);
    this.#size++;
    return made;
  }

  #sweep(): void {
    for (const pools of this.#byHost.values()) {
      for (const [key, pool] of pools) {
        if (!pool.empty) continue;
        pools.delete(key);
        this.#size--;
      }
    }
    this.#sweepAt = Math.max(sweepMin, 2 * this.#size);
  }

  /** The host has left. */
  drain(host: Host): void {
    const pools = this.#byHost.get(host);
    if (pools === undefined) return;
    this.#byHost.delete(host);
    this.#size -= pools.size;
    for (const pool of pools.values()) pool.drain();
  }

  drainAll(): void {
    for (const host of [...this.#byHost.keys()]) this.drain(host);
  }

  destroy(): void {
    for (const pools of this.#byHost.values()) for (const pool of pools.values()) pool.destroy();
    this.#byHost.clear();
    this.#size = 0;
  }
}

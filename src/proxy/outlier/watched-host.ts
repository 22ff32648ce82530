import { addressText } from "#net/address.ts";
import type { EndpointSpec } from "../cluster/host.ts";
import { Cell, type HostCells, outlierKey } from "./slots.ts";
import { Spell } from "./spell.ts";

/** Where an error comes from: what the upstream answered, or whether it could be reached. */
export type Origin = "external" | "local";

/** One host as the detector of its cluster sees it. */
export class WatchedHost {
  readonly key: string;
  readonly addressText: string;
  /** What makes it another host when it changes, as in HostSets. */
  readonly identity: string;
  readonly slot: number;
  readonly #cells: HostCells;
  readonly ejection: Spell = new Spell();
  /** It asks to be used less (x-envoy-degraded); apart from ejections. */
  readonly degradation: Spell = new Spell();
  /** In percent; -1: too few requests in the last interval. */
  readonly successRate: Record<Origin, number> = { external: -1, local: -1 };
  readonly #volume: Record<Origin, number> = { external: 0, local: 0 };
  readonly #rate: Record<Origin, number> = { external: 0, local: 0 };

  constructor(endpoint: EndpointSpec, slot: number, cells: HostCells) {
    this.addressText = addressText(endpoint.address);
    this.key = endpointKey(endpoint);
    this.identity = endpointIdentity(endpoint);
    this.slot = slot;
    this.#cells = cells;
  }

  /** Requests of the last interval. */
  volume(origin: Origin): number {
    return this.#volume[origin];
  }

  /** The share of successes among them, in percent. */
  rate(origin: Origin): number {
    return this.#rate[origin];
  }

  /** An interval ends: what was counted in it is kept, and the next begins with nothing. */
  closeInterval(): void {
    this.#close("external", this.#cells.take(Cell.requests), this.#cells.take(Cell.successes));
    const requests = this.#cells.take(Cell.localOriginRequests);
    this.#close("local", requests, this.#cells.take(Cell.localOriginSuccesses));
  }

  #close(origin: Origin, requests: number, successes: number): void {
    this.#volume[origin] = requests;
    // A worker may have counted a request before the interval's end and its success after.
    this.#rate[origin] = requests === 0 ? 0 : Math.min(100, (successes * 100) / requests);
    this.successRate[origin] = -1;
  }

  get ejected(): boolean {
    return this.ejection.active;
  }

  resetConsecutive(cell: (typeof Cell)[ConsecutiveCell]): void {
    this.#cells.take(cell);
  }
}

type ConsecutiveCell =
  | "consecutive5xx"
  | "consecutiveGatewayFailure"
  | "consecutiveLocalOriginFailure";

export function endpointKey(endpoint: EndpointSpec): string {
  return outlierKey({
    priority: endpoint.priority,
    addressText: addressText(endpoint.address),
  });
}

export function endpointIdentity(endpoint: EndpointSpec): string {
  const { hostname, locality } = endpoint;
  return JSON.stringify([hostname, locality.region, locality.zone, locality.subZone]);
}

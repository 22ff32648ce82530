import { keepList } from "../collections/same.ts";
import {
  type Gateway,
  type GatewayPlaces,
  type MergedGateways,
  mergeGateways,
} from "./gateways.ts";
import { Recent } from "./recent.ts";
import { selects } from "./visibility.ts";

interface Known {
  readonly gateways: readonly Gateway[];
  readonly merged: MergedGateways;
}

/** Kinds of gateway proxies that are remembered. */
const kindsMax = 1_000;

/** What Gateways ask of proxies; the same objects as long as these Gateways and ports stay, and for all proxies of a kind. */
export class GatewayMerges {
  readonly #known: Recent<Known> = new Recent({ entriesMax: kindsMax });

  /** `gateways`: all there are, the oldest first. */
  merged(
    gateways: readonly Gateway[],
    labels: Readonly<Record<string, string>>,
    places: GatewayPlaces,
  ): MergedGateways {
    const selecting = gateways.filter(({ spec }) => selects(spec.selector ?? {}, labels));
    const moved = places.targets.map(({ service, port, targetPort }) => [
      port.number,
      targetPort,
      service.labels,
    ]);
    const key = JSON.stringify([Object.entries(labels).sort(), moved, places.local ?? []]);
    const known = this.#known.get(key);
    if (known !== undefined && keepList(known.gateways, selecting) === known.gateways) {
      return known.merged;
    }
    const merged = mergeGateways(selecting, places);
    this.#known.set(key, { gateways: selecting, merged });
    return merged;
  }
}

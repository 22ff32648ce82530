import type { RuntimeDoubleJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { Random } from "#lib/random.ts";
import type { Host } from "../cluster/host.ts";
import type { BalancerFactory, Picker } from "./balancer.ts";
import { EdfScheduler } from "./edf.ts";

/** Equal weights: the best of a few drawn at random. Unequal: earliest deadline first with weight / (active + 1) ^ bias. */
export const leastRequest: BalancerFactory = {
  policy: "LEAST_REQUEST",
  make(hosts, { config, random, runtime, slowStart }): Picker {
    if (hosts.length === 0) return { pick: () => undefined };
    if (config?.selectionMethod === "FULL_SCAN") return fullScan(hosts, random);
    const first = hosts[0]?.weight;
    if (slowStart?.active !== true && hosts.every((host) => host.weight === first)) {
      return drawn(hosts, Math.max(2, config?.choiceCount ?? 2), random);
    }
    const bias = activeRequestBias(config?.activeRequestBias, (key, absent) =>
      runtime.number(key, absent),
    );
    const biased = biasedWeight(bias);
    const weight =
      slowStart === undefined ? biased : (host: Host) => slowStart.weigh(host, biased(host));
    const scheduler = new EdfScheduler(hosts, { weight, skip: random.below(hosts.length) });
    return { pick: () => scheduler.next() };
  },
};

function activeRequestBias(
  configured: RuntimeDoubleJson | undefined,
  runtime: (key: string, absent: number) => number,
): number {
  if (configured === undefined) return 1;
  const bias = Number(configured.defaultValue ?? 0);
  return Math.max(0, runtime(configured.runtimeKey ?? "", bias));
}

function biasedWeight(bias: number): (host: Host) => number {
  if (bias === 0) return (host) => host.weight;
  if (bias === 1) return (host) => host.weight / (host.requestsActive + 1);
  return (host) => host.weight / (host.requestsActive + 1) ** bias;
}

function drawn(hosts: readonly Host[], choices: number, random: Random): Picker {
  return {
    pick: () => {
      let best = hosts[random.below(hosts.length)];
      for (let i = 1; i < choices; i++) {
        const other = hosts[random.below(hosts.length)];
        if (best === undefined || other === undefined) continue;
        if (other.requestsActive < best.requestsActive) best = other;
      }
      return best;
    },
  };
}

/** Every host is looked at, whatever its weight; ties are broken at random by reservoir sampling. */
function fullScan(hosts: readonly Host[], random: Random): Picker {
  return {
    pick: () => {
      let best: Host | undefined;
      let ties = 0;
      for (const host of hosts) {
        if (best === undefined || host.requestsActive < best.requestsActive) {
          best = host;
          ties = 1;
        } else if (host.requestsActive === best.requestsActive && random.below(++ties) === 0) {
          best = host;
        }
      }
      return best;
    },
  };
}

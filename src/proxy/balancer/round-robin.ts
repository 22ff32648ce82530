import type { Host } from "../cluster/host.ts";
import type { BalancerFactory, Picker } from "./balancer.ts";
import { EdfScheduler } from "./edf.ts";

/** Equal weights: a ring. Unequal ones: earliest deadline first, so that 3:1 is 3:1 in every four picks. */
export const roundRobin: BalancerFactory = {
  policy: "ROUND_ROBIN",
  make(hosts, { random, slowStart }): Picker {
    if (hosts.length === 0) return { pick: () => undefined };
    // A random start: many proxies that get the same list at once must not all begin with its first host.
    let next = random.below(hosts.length);
    const first = hosts[0]?.weight;
    if (slowStart?.active === true || !hosts.every((host) => host.weight === first)) {
      const weight =
        slowStart === undefined
          ? (host: Host) => host.weight
          : (host: Host) => slowStart.weigh(host, host.weight);
      const scheduler = new EdfScheduler(hosts, { weight, skip: next });
      return { pick: () => scheduler.next() };
    }
    return {
      pick: () => {
        const host = hosts[next];
        next = next + 1 === hosts.length ? 0 : next + 1;
        return host;
      },
    };
  },
};

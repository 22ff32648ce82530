import type { BalancerFactory, Picker } from "./balancer.ts";

export const randomBalancer: BalancerFactory = {
  policy: "RANDOM",
  make(hosts, { random }): Picker {
    if (hosts.length === 0) return { pick: () => undefined };
    return { pick: () => hosts[random.below(hosts.length)] };
  },
};

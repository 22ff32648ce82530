import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeServices } from "../../../testkit/fake-services.ts";
import { endpoint, members } from "../../../testkit/hosts.ts";
import type { Services } from "../services.ts";
import { HostSets } from "./host-set.ts";
import type { LocalCluster } from "./manager.ts";

/** A cluster with this many hosts in each of the zones a, b …; numbers go on from zone to zone. */
function inZones(hosts: readonly number[], from = 0): ReturnType<typeof members> {
  let index = from;
  return members(
    hosts.flatMap((count, zone) =>
      Array.from({ length: count }, () =>
        endpoint(index++, { locality: { region: "", zone: "abc"[zone] ?? "", subZone: "" } }),
      ),
    ),
  );
}

function setting(local: readonly number[], upstream: readonly number[]) {
  const bare = fakeServices();
  const locals = { name: "local", firstSet: undefined } as {
    -readonly [K in keyof LocalCluster]: LocalCluster[K];
  };
  const services: Services = {
    ...bare,
    node: { ...bare.node, locality: { region: "", zone: "a", subZone: "" } },
    clusters: { ...bare.clusters, local: locals },
  };
  const make = (name: string): HostSets =>
    new HostSets(
      { name, commonLbConfig: { zoneAwareLbConfig: { minClusterSize: "1" } } },
      { services, stats: services.stats.scope(`cluster.${name}.`), onRemoved: () => undefined },
    );
  const here = make("local");
  const setLocal = (hosts: readonly number[]): void => {
    here.update(inZones(hosts, 100));
    locals.firstSet = here.firstSet;
  };
  setLocal(local);
  const there = make("there");
  there.update(inZones(upstream));
  const byZone = (): number[] => {
    const counts = [0, 0, 0];
    for (let i = 0; i < 10_000; i++) {
      const zone = "abc".indexOf(there.pick({})?.locality.zone ?? "none");
      counts[zone] = (counts[zone] ?? 0) + 1;
    }
    return counts.map((count) => Math.round(count / 200) / 50);
  };
  return { setLocal, byZone };
}

test("what is over goes to the others by what they can take beyond their own", () => {
  // Shares of proxies 40, 40, 20 and of hosts 25, 50, 25 percent: 62.5 % stay; b can take 10, c 5.
  const { byZone } = setting([4, 4, 2], [5, 10, 5]);
  assert.deepEqual(byZone(), [0.62, 0.26, 0.12]);
});

test("a change of the local cluster is seen by the next pick", () => {
  const { byZone, setLocal } = setting([1, 1], [1, 1]);
  assert.deepEqual(byZone(), [1, 0, 0]);
  setLocal([3, 1]);
  assert.deepEqual(byZone(), [0.66, 0.34, 0]);
  setLocal([1, 3]);
  assert.deepEqual(byZone(), [1, 0, 0]);
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Word64 } from "#lib/word64.ts";
import type { BalancerConfig, BalancerFactory } from "#proxy/balancer/balancer.ts";
import type { Host } from "#proxy/cluster/host.ts";
import type { Runtime } from "#proxy/runtime.ts";
import { host } from "./hosts.ts";
import { seededRandom } from "./seeded-random.ts";

export const emptyRuntime: Runtime = {
  number: (_key, absent) => absent,
  boolean: (_key, absent) => absent,
  featureEnabled: (_key, numerator, denominator, draw) => draw * denominator < numerator,
};

interface Pick {
  readonly factory: BalancerFactory;
  readonly hosts: readonly Host[];
  readonly picks: number;
  readonly seed?: number;
  readonly config?: BalancerConfig;
  readonly runtime?: Runtime;
  /** Called with each picked host: a test may keep it busy. */
  readonly onPick?: (host: Host) => void;
}

/** How many of the picks each host got, in the order of the hosts. */
export function distribution(options: Pick): number[] {
  const { factory, hosts, picks, seed = 1, config, runtime = emptyRuntime, onPick } = options;
  const random = seededRandom(seed);
  const picker = factory.make(hosts, { config, random, runtime });
  const hash = new Word64();
  const counts = new Map(hosts.map((it) => [it, 0]));
  for (let i = 0; i < picks; i++) {
    hash.set(random.below(2 ** 32), random.below(2 ** 32));
    const picked = picker.pick({}, hash);
    assert.ok(picked !== undefined);
    counts.set(picked, (counts.get(picked) ?? 0) + 1);
    onPick?.(picked);
  }
  return [...counts.values()];
}

/** What every policy's picker must do. */
export function pickerSuite(factory: BalancerFactory): void {
  describe(`${factory.policy} as any policy`, () => {
    test("picks nothing from nothing", () => {
      const options = { config: undefined, random: seededRandom(1), runtime: emptyRuntime };
      assert.equal(factory.make([], options).pick({}, new Word64()), undefined);
    });
    test("picks the only host always", () => {
      assert.deepEqual(distribution({ factory, hosts: [host(1)], picks: 10 }), [10]);
    });
    test("leaves no host of equal weight out, and favours none", () => {
      const hosts = Array.from({ length: 20 }, (_, index) => host(index));
      // Binomial, n = 20,000 and p = 0.05: mean 1,000, deviation 31. The seed is fixed, so the test does not flicker.
      for (const count of distribution({ factory, hosts, picks: 20_000 })) {
        assert.ok(count > 800 && count < 1200, `${count} of 20000`);
      }
    });
    test("two balancers with other random numbers begin with other hosts", () => {
      const hosts = Array.from({ length: 50 }, (_, index) => host(index));
      const firsts = Array.from({ length: 20 }, (_, seed) =>
        distribution({ factory, hosts, picks: 1, seed }).indexOf(1),
      );
      assert.ok(new Set(firsts).size > 5);
    });
    test("does not change the list it was given", () => {
      const hosts = [host(1, { weight: 3 }), host(2), host(3, { weight: 2 })];
      const before = [...hosts];
      distribution({ factory, hosts, picks: 100 });
      assert.deepEqual(hosts, before);
    });
  });
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeServices } from "../../../testkit/fake-services.ts";
import { endpoint, members } from "../../../testkit/hosts.ts";
import { MetadataMatch } from "../balancer/metadata-match.ts";
import type { Json } from "../stream-info.ts";
import type { EndpointSpec } from "./host.ts";
import { HostSets } from "./host-set.ts";

const versioned = (number: number, version: Json): EndpointSpec =>
  endpoint(number, { metadata: { "envoy.lb": { version } } });

function make(): { sets: HostSets; picked: (version: Json) => string | undefined } {
  const services = fakeServices();
  const sets = new HostSets(
    {
      commonLbConfig: { healthyPanicThreshold: {} },
      lbSubsetConfig: { subsetSelectors: [{ keys: ["version"] }] },
    },
    { services, stats: services.stats.scope("cluster.c."), onRemoved: () => {} },
  );
  const picked = (version: Json): string | undefined =>
    sets.pick({ metadataMatch: MetadataMatch.of({ version }) })?.address.ip.split(".")[3];
  return { sets, picked };
}

test("subsets come and go with their hosts", () => {
  const { sets, picked } = make();
  sets.update(members([versioned(1, "a")]));
  assert.equal(picked("a"), "1");
  assert.equal(picked("b"), undefined);
  sets.update(members([versioned(2, "b")]));
  assert.equal(picked("a"), undefined);
  assert.equal(picked("b"), "2");
});

test("a host whose metadata changes moves to another subset and stays the same host", () => {
  const { sets, picked } = make();
  sets.update(members([versioned(1, "a")]));
  const [host] = sets.hosts;
  sets.update(members([versioned(1, "b")]));
  assert.equal(picked("a"), undefined);
  assert.equal(picked("b"), "1");
  assert.equal(sets.hosts[0], host);
});

test("a subset follows its hosts' health", () => {
  const { sets, picked } = make();
  sets.update(members([versioned(1, "a"), versioned(2, "a")]));
  const [one] = sets.hosts;
  assert.ok(one !== undefined);
  assert.deepEqual(new Set([picked("a"), picked("a")]), new Set(["1", "2"]));
  one.ejected = true;
  sets.healthChanged(one);
  assert.deepEqual(new Set([picked("a"), picked("a")]), new Set(["2"]));
  one.ejected = false;
  sets.healthChanged(one);
  assert.deepEqual(new Set([picked("a"), picked("a")]), new Set(["1", "2"]));
});

test("structs are equal whatever the order of their fields", () => {
  const { sets, picked } = make();
  sets.update(members([versioned(1, { x: 1, y: { p: 1, q: 2 } })]));
  assert.equal(picked({ y: { q: 2, p: 1 }, x: 1 }), "1");
  assert.equal(picked({ y: { q: 2, p: "1" }, x: 1 }), undefined);
});

test("a way of fallbacks has an end: their keys are a true subset", () => {
  const services = fakeServices();
  const fallback = (keys: string[]) => () =>
    new HostSets(
      {
        lbSubsetConfig: {
          subsetSelectors: [
            { keys: ["a", "b"], fallbackPolicy: "KEYS_SUBSET", fallbackKeysSubset: keys },
          ],
        },
      },
      { services, stats: services.stats.scope("cluster.c."), onRemoved: () => {} },
    );
  assert.throws(fallback([]), /cannot be empty/);
  assert.throws(fallback(["c"]), /must be a subset/);
  assert.throws(fallback(["b", "a"]), /cannot be equal/);
  fallback(["a"])();
});

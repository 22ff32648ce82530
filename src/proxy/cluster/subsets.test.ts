import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { fakeServices } from "../../../testkit/fake-services.ts";
import { endpoint, members } from "../../../testkit/hosts.ts";
import { streamInfo } from "../../../testkit/stream-info.ts";
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

const refusing = (cluster: ClusterJson) => () => {
  const services = fakeServices();
  return new HostSets(cluster, {
    services,
    stats: services.stats.scope("cluster.c."),
    onRemoved: () => {},
  });
};

test("a way of fallbacks has an end: their keys are a true subset", () => {
  const fallback = (keys: string[], policy: "KEYS_SUBSET" | "ANY_ENDPOINT" = "KEYS_SUBSET") =>
    refusing({
      lbSubsetConfig: {
        subsetSelectors: [{ keys: ["a", "b"], fallbackPolicy: policy, fallbackKeysSubset: keys }],
      },
    });
  assert.throws(fallback([]), /cannot be empty/);
  assert.throws(fallback(["c"]), /must be a subset/);
  assert.throws(fallback(["b", "a"]), /cannot be equal/);
  assert.throws(fallback(["a"], "ANY_ENDPOINT"), /can be set only for KEYS_SUBSET/);
  fallback(["a"])();
});

test("what has no subsets refuses to", () => {
  const lbSubsetConfig = { subsetSelectors: [{ keys: ["a"] }] };
  assert.throws(
    refusing({ type: "ORIGINAL_DST", lbPolicy: "CLUSTER_PROVIDED", lbSubsetConfig }),
    /CLUSTER_PROVIDED cannot be combined with lb_subset_config/,
  );
  assert.throws(
    refusing({ loadBalancingPolicy: { policies: [] }, lbSubsetConfig }),
    /load_balancing_policy cannot be combined with lb_subset_config/,
  );
});

test("a subset follows what active checks say", () => {
  const { sets, picked } = make();
  sets.update(members([versioned(1, "a"), versioned(2, "a")]));
  const [one] = sets.hosts;
  assert.ok(one !== undefined);
  assert.deepEqual(new Set([picked("a"), picked("a")]), new Set(["1", "2"]));
  sets.checked(one, {
    failed: true,
    degraded: false,
    pending: false,
    excluded: false,
    timedOut: false,
    leaving: false,
  });
  assert.deepEqual(new Set([picked("a"), picked("a")]), new Set(["2"]));
});

test("the request's own metadata goes over its route's", () => {
  const { sets } = make();
  sets.update(members([versioned(1, "a"), versioned(2, "b")]));
  const info = streamInfo();
  const pick = (): string | undefined =>
    sets.pick({ metadataMatch: MetadataMatch.of({ version: "a" }), info })?.address.ip;
  assert.equal(pick(), "10.0.0.1");
  info.addDynamicMetadata("envoy.lb", { version: "b" });
  assert.equal(pick(), "10.0.0.2");
  assert.equal(sets.pick({ info })?.address.ip, "10.0.0.2");
});

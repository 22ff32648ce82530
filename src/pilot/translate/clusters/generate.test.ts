import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { byName, hostname, reviews } from "../../../../testkit/pilot-clusters.ts";
import {
  aDestinationRule,
  anEndpoint,
  aScope,
  aService,
  aView,
} from "../../../../testkit/pilot-view.ts";
import { generateClusters } from "./generate.ts";

describe("the fixed clusters", () => {
  test("of a sidecar", () => {
    assert.deepEqual(
      generateClusters(aView(aScope([]))).map(({ name }) => name),
      ["BlackHoleCluster", "PassthroughCluster", "InboundPassthroughCluster"],
    );
  });

  test("of a gateway, with those for TLS that it passes through", () => {
    const server = { tls: { mode: "AUTO_PASSTHROUGH" } } as const;
    const own = {
      server,
      gateway: "default/g",
      object: aDestinationRule({}),
      index: 0,
      routeName: undefined,
    };
    const rule = aDestinationRule({
      host: hostname,
      trafficPolicy: { tls: { mode: "SIMPLE" } },
      subsets: [{ name: "v1" }],
    });
    const external = aService({ hostname: "example.com", meshExternal: true, ports: [] });
    const scope = aScope([{ service: reviews, rule }, { service: external }], { type: "router" });
    const made = byName(aView(scope, { servers: [{ port: 15443, bind: "", servers: [own] }] }));
    assert.deepEqual(Object.keys(made), [
      `outbound|80||${hostname}`,
      `outbound|80|v1|${hostname}`,
      "BlackHoleCluster",
      `outbound_.80_._.${hostname}`,
      `outbound_.80_.v1_.${hostname}`,
    ]);
    assert.ok(made[`outbound|80||${hostname}`]?.transportSocket);
    assert.equal(made[`outbound_.80_._.${hostname}`]?.transportSocket, undefined);
  });
});

describe("what nothing changed of", () => {
  test("is the same object in the next view", () => {
    const ratings = aService({ hostname: "ratings.default.svc.cluster.local" });
    const mesh = {};
    const before = byName(aView(aScope([{ service: reviews }, { service: ratings }], { mesh })));
    const rule = aDestinationRule({ host: hostname, subsets: [{ name: "v1" }] });
    const after = byName(
      aView(aScope([{ service: reviews, rule }, { service: ratings }], { mesh })),
    );
    const same = Object.keys(after).filter((name) => after[name] === before[name]);
    assert.deepEqual(same, [
      "outbound|80||ratings.default.svc.cluster.local",
      "BlackHoleCluster",
      "PassthroughCluster",
      "InboundPassthroughCluster",
    ]);
  });

  test("a DNS name more makes another cluster", () => {
    const service = aService({ hostname, resolution: "dns" });
    const mesh = {};
    const made = (addresses: readonly string[]) => {
      const endpoints = addresses.map((address) => anEndpoint({ address }));
      return generateClusters(aView(aScope([{ service, endpoints }], { mesh })))[0];
    };
    assert.notEqual(made(["a.test"]), made(["a.test", "b.test"]));
  });

  test("a name is there once", () => {
    const twice = aScope([{ service: reviews }, { service: aService({ hostname }) }]);
    const names = generateClusters(aView(twice)).map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
  });
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ClusterLoadAssignmentJson } from "#gen/envoy/config/endpoint/v3/endpoint_pb.js";
import type { Endpoint } from "#model/service.ts";
import { hostname, type Policy, reviews } from "../../../../testkit/pilot-clusters.ts";
import {
  aDestinationRule,
  anEndpoint,
  aScope,
  aService,
  aView,
  type Seen,
  servicePort,
} from "../../../../testkit/pilot-view.ts";
import type { OutboundScope } from "../../view.ts";
import { generateEndpoints } from "./generate.ts";

const whole = `outbound|80||${hostname}`;

function assignment(
  seen: Seen,
  { name = whole, scope = {} }: { name?: string; scope?: Partial<OutboundScope> } = {},
): ClusterLoadAssignmentJson {
  const [made] = generateEndpoints(aView(aScope([seen], scope)), new Set([name]));
  assert.ok(made);
  return made;
}

/** `priority/weight region/zone/subZone: address=weight …` of each locality. */
function outline({ endpoints = [] }: ClusterLoadAssignmentJson): readonly string[] {
  return endpoints.map(({ locality, lbEndpoints = [], loadBalancingWeight, priority = 0 }) => {
    const place = [locality?.region, locality?.zone, locality?.subZone].filter(Boolean).join("/");
    const hosts = lbEndpoints.map(({ endpoint }) => endpoint?.address?.socketAddress?.address);
    return `${priority} ${loadBalancingWeight} ${place}: ${hosts.join(" ")}`;
  });
}

function placed(address: string, place: string, more: Partial<Endpoint> = {}): Endpoint {
  const [region = "", zone = "", subZone = ""] = place.split("/");
  return anEndpoint({ address, locality: { region, zone, subZone }, ...more });
}

describe("a service's endpoints", () => {
  test("are by locality in order, with the sum of their weights", () => {
    const endpoints = [
      placed("10.0.0.3", "b/z"),
      placed("10.0.0.1", "a/z/s", { weight: 5 }),
      placed("10.0.0.2", "b/z", { weight: 2 }),
    ];
    assert.deepEqual(outline(assignment({ service: reviews, endpoints })), [
      "0 5 a/z/s: 10.0.0.1",
      "0 3 b/z: 10.0.0.3 10.0.0.2",
    ]);
  });

  test("say whose workload they are", () => {
    const endpoint = anEndpoint({
      address: "10.0.0.1",
      labels: { app: "reviews", version: "v1" },
      workloadName: "reviews-v1",
    });
    assert.deepEqual(
      assignment({ service: reviews, endpoints: [endpoint] }).endpoints?.[0]?.lbEndpoints,
      [
        {
          endpoint: { address: { socketAddress: { address: "10.0.0.1", portValue: 8080 } } },
          healthStatus: "HEALTHY",
          loadBalancingWeight: 1,
          metadata: {
            filterMetadata: { istio: { workload: "reviews-v1;default;reviews;v1;Kubernetes" } },
          },
        },
      ],
    );
  });

  test("are dialled at the port that they have by its name", () => {
    const ports = [servicePort({ number: 80 }), servicePort({ number: 81, name: "grpc" })];
    const service = aService({ hostname, ports });
    const endpoints = [
      anEndpoint({ address: "10.0.0.1", ports: { http: 1, grpc: 2 } }),
      anEndpoint({ address: "10.0.0.2", ports: { http: 3 } }),
      anEndpoint({ address: "unix:///app.sock", ports: {} }),
      anEndpoint({ address: "app.example.com", ports: { grpc: 4 } }),
    ];
    const made = assignment({ service, endpoints }, { name: `outbound|81||${hostname}` });
    assert.deepEqual(
      made.endpoints?.[0]?.lbEndpoints?.map(({ endpoint }) => endpoint?.address),
      [{ socketAddress: { address: "10.0.0.1", portValue: 2 } }, { pipe: { path: "/app.sock" } }],
    );
  });

  test("of a subset have its labels", () => {
    const rule = aDestinationRule({
      host: hostname,
      subsets: [{ name: "v1", labels: { version: "v1" } }, { name: "all" }],
    });
    const endpoints = ["v1", "v2"].map((version, index) =>
      anEndpoint({ address: `10.0.0.${index}`, labels: { version } }),
    );
    const of = (subset: string) =>
      outline(
        assignment(
          { service: reviews, rule, endpoints },
          { name: `outbound|80|${subset}|${hostname}` },
        ),
      );
    assert.deepEqual(of("v1"), ["0 1 : 10.0.0.0"]);
    assert.deepEqual(of("all"), ["0 2 : 10.0.0.0 10.0.0.1"]);
  });

  test("that are not ready are sent as such, unless the proxy may panic", () => {
    const health = ["healthy", "unhealthy", "draining", "terminating"] as const;
    const endpoints = health.map((state, index) =>
      anEndpoint({ address: `10.0.0.${index}`, health: state }),
    );
    const of = (seen: Partial<Seen>) =>
      assignment({ service: reviews, endpoints, ...seen }).endpoints?.[0]?.lbEndpoints?.map(
        ({ healthStatus }) => healthStatus,
      );
    assert.deepEqual(of({}), ["HEALTHY", "UNHEALTHY"]);
    const trafficPolicy: Policy = { outlierDetection: { minHealthPercent: 10 } };
    assert.deepEqual(of({ rule: aDestinationRule({ trafficPolicy }) }), ["HEALTHY"]);
    const labels = { "istio.io/persistent-session": "cookie" };
    assert.deepEqual(of({ service: aService({ hostname, labels }) }), [
      "HEALTHY",
      "UNHEALTHY",
      "DRAINING",
    ]);
  });

  test("of other clusters are left out of a service that is local to each", () => {
    const mesh = {
      serviceSettings: [
        { settings: { clusterLocal: true }, hosts: ["*.default.svc.cluster.local"] },
      ],
    };
    const endpoints = [
      anEndpoint({ address: "10.0.0.1" }),
      anEndpoint({ address: "10.0.0.2", clusterId: "other" }),
    ];
    assert.deepEqual(outline(assignment({ service: reviews, endpoints }, { scope: { mesh } })), [
      "0 1 : 10.0.0.1",
    ]);
  });

  test("behind TLS that a gateway passes through insist on mutual TLS", () => {
    const endpoints = [
      anEndpoint({ address: "10.0.0.1" }),
      anEndpoint({ address: "10.0.0.2", labels: { "security.istio.io/tlsMode": "istio" } }),
    ];
    const name = `outbound_.80_._.${hostname}`;
    assert.deepEqual(outline(assignment({ service: reviews, endpoints }, { name })), [
      "0 1 : 10.0.0.2",
    ]);
  });

  test("are none for what does not exist, or has become a DNS name", () => {
    const endpoints = [anEndpoint({ address: "10.0.0.1" })];
    const dns = aService({ hostname, resolution: "dns" });
    assert.deepEqual(assignment({ service: dns, endpoints }), { clusterName: whole });
    for (const name of [`outbound|81||${hostname}`, "outbound|80||other", "inbound|80||", "x"]) {
      assert.deepEqual(assignment({ service: reviews, endpoints }, { name }), {
        clusterName: name,
      });
    }
  });
});

describe("where the caller is", () => {
  const endpoints = [
    placed("10.0.0.1", "r1/z1/s1"),
    placed("10.0.0.2", "r1/z1/s2"),
    placed("10.0.0.3", "r1/z2"),
    placed("10.0.0.4", "r2/z1"),
    placed("10.0.0.5", "r3/z1"),
  ];
  const locality = { region: "r1", zone: "z1", subZone: "s1" };

  function seenFrom(
    trafficPolicy: Policy,
    scope: Partial<OutboundScope> = {},
    list: readonly Endpoint[] = endpoints,
  ): readonly string[] {
    const rule = aDestinationRule({ host: hostname, trafficPolicy });
    const seen = { service: reviews, rule, endpoints: list };
    return outline(assignment(seen, { scope: { locality, ...scope } }));
  }

  const setting = (
    localityLbSetting: NonNullable<Policy["loadBalancer"]>["localityLbSetting"],
  ) => ({
    loadBalancer: localityLbSetting === undefined ? {} : { localityLbSetting },
  });

  test("counts nothing without outlier detection", () => {
    assert.equal(
      seenFrom({}).every((line) => line.startsWith("0 ")),
      true,
    );
  });

  test("orders localities by their distance, without gaps", () => {
    assert.deepEqual(seenFrom({ outlierDetection: {} }), [
      "0 1 r1/z1/s1: 10.0.0.1",
      "1 1 r1/z1/s2: 10.0.0.2",
      "2 1 r1/z2: 10.0.0.3",
      "3 1 r2/z1: 10.0.0.4",
      "3 1 r3/z1: 10.0.0.5",
    ]);
    assert.deepEqual(seenFrom({ outlierDetection: {} }, {}, endpoints.slice(2)), [
      "0 1 r1/z2: 10.0.0.3",
      "1 1 r2/z1: 10.0.0.4",
      "1 1 r3/z1: 10.0.0.5",
    ]);
  });

  test("prefers the region that the rule fails over to", () => {
    const policy = setting({ failover: [{ from: "r1", to: "r3" }] });
    assert.deepEqual(seenFrom({ ...policy, outlierDetection: {} }).slice(-2), [
      "4 1 r2/z1: 10.0.0.4",
      "3 1 r3/z1: 10.0.0.5",
    ]);
  });

  test("is switched off by the rule or the mesh", () => {
    const off = { outlierDetection: {}, ...setting({ enabled: false }) };
    assert.equal(
      seenFrom(off).every((line) => line.startsWith("0 ")),
      true,
    );
    const mesh = { localityLbSetting: { enabled: false } };
    assert.equal(
      seenFrom({ outlierDetection: {} }, { mesh }).every((line) => line.startsWith("0 ")),
      true,
    );
  });

  test("distributes by shares, and leaves out what the rule does not name", () => {
    const distribute = [
      { from: "r2/*", to: { "r2/*": 100 } },
      { from: "r1/z1/*", to: { "r1/z1/*": 70, "r1/z2/*": 20, "r2/*": 10 } },
    ];
    assert.deepEqual(seenFrom(setting({ distribute })), [
      "0 35 r1/z1/s1: 10.0.0.1",
      "0 35 r1/z1/s2: 10.0.0.2",
      "0 20 r1/z2: 10.0.0.3",
      "0 10 r2/z1: 10.0.0.4",
    ]);
  });

  test("orders by labels in common, one locality in several priorities", () => {
    const labelled = [
      placed("10.0.0.1", "r1/z1", { labels: { version: "v1" } }),
      placed("10.0.0.2", "r1/z1", { labels: { version: "v2" } }),
      placed("10.0.0.3", "r2/z1", { labels: { version: "v1" } }),
    ];
    const policy = setting({ failoverPriority: ["version", "topology.kubernetes.io/region"] });
    const labels = { version: "v1" };
    assert.deepEqual(seenFrom({ ...policy, outlierDetection: {} }, { labels }, labelled), [
      "0 1 r1/z1: 10.0.0.1",
      "2 1 r1/z1: 10.0.0.2",
      "1 1 r2/z1: 10.0.0.3",
    ]);
    const named = setting({ failoverPriority: ["version=v2"] });
    assert.deepEqual(seenFrom({ ...named, outlierDetection: {} }, { labels }, labelled), [
      "0 1 r1/z1: 10.0.0.2",
      "1 1 r1/z1: 10.0.0.1",
      "1 1 r2/z1: 10.0.0.3",
    ]);
  });

  test("counts by the service's own wish, without outlier detection", () => {
    const annotations = { "networking.istio.io/traffic-distribution": "PreferClose" };
    const service = aService({ hostname, annotations });
    const lines = outline(assignment({ service, endpoints }, { scope: { locality } }));
    assert.deepEqual(
      lines.map((line) => line[0]),
      ["0", "1", "2", "3", "3"],
    );
  });
});

describe("an assignment", () => {
  const mesh = {};

  test("is the same object until its endpoints, rule or service change", () => {
    const endpoints = [anEndpoint({ address: "10.0.0.1" })];
    const seen = { service: reviews, endpoints };
    const first = assignment(seen, { scope: { mesh } });
    assert.equal(assignment(seen, { scope: { mesh } }), first);
    assert.notEqual(assignment({ ...seen, endpoints: [...endpoints] }, { scope: { mesh } }), first);
    const rule = aDestinationRule({});
    assert.notEqual(assignment({ ...seen, rule }, { scope: { mesh } }), first);
  });

  test("is another one for callers elsewhere", () => {
    const seen = { service: reviews, endpoints: [anEndpoint({ address: "10.0.0.1" })] };
    const from = (region: string) =>
      assignment(seen, { scope: { mesh, locality: { region, zone: "", subZone: "" } } });
    assert.notEqual(from("a"), from("b"));
    assert.equal(from("a"), from("a"));
  });
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import {
  byName,
  firstOf,
  hostname,
  httpOptions,
  type Policy,
  ruled,
} from "../../../../testkit/pilot-clusters.ts";
import {
  aDestinationRule,
  aScope,
  aService,
  aView,
  servicePort,
} from "../../../../testkit/pilot-view.ts";
import { rulesBehind } from "../../provenance.ts";
import type { OutboundScope } from "../../view.ts";

describe("a rule's traffic policy", () => {
  test("limits connections and requests", () => {
    const made = ruled({
      connectionPool: {
        tcp: { maxConnections: 1, connectTimeout: "0.5s" },
        http: { http1MaxPendingRequests: 2, http2MaxRequests: 3, maxRetries: 4 },
      },
      retryBudget: {},
    });
    assert.equal(made.connectTimeout, "0.5s");
    assert.deepEqual(made.circuitBreakers?.thresholds, [
      {
        maxConnections: 1,
        maxPendingRequests: 2,
        maxRequests: 3,
        maxRetries: 4,
        trackRemaining: true,
        retryBudget: { budgetPercent: { value: 20 }, minRetryConcurrency: 3 },
      },
    ]);
  });

  test("sets what holds for one connection", () => {
    const made = ruled(
      {
        connectionPool: {
          tcp: { maxConnectionDuration: "60s", idleTimeout: "9s", tcpKeepalive: { time: "10.5s" } },
          http: { idleTimeout: "5s", maxRequestsPerConnection: 7 },
        },
      },
      { mesh: { tcpKeepalive: { probes: 9, time: "1s" } } },
    );
    assert.deepEqual(httpOptions(made), {
      commonHttpProtocolOptions: {
        idleTimeout: "5s",
        maxRequestsPerConnection: 7,
        maxConnectionDuration: "60s",
      },
      explicitHttpConfig: { httpProtocolOptions: {} },
    });
    assert.deepEqual(made.upstreamConnectionOptions, {
      tcpKeepalive: { keepaliveProbes: 9, keepaliveTime: 10 },
    });
  });

  test("upgrades to HTTP/2, the client's protocol going first", () => {
    const options = (
      http: NonNullable<NonNullable<Policy["connectionPool"]>["http"]>,
      mesh: OutboundScope["mesh"] = {},
    ) => httpOptions(ruled({ connectionPool: { http } }, { mesh }));
    assert.deepEqual(options({ h2UpgradePolicy: "UPGRADE", maxConcurrentStreams: 5 }), {
      explicitHttpConfig: { http2ProtocolOptions: { maxConcurrentStreams: 5 } },
    });
    const everywhere = { h2UpgradePolicy: "UPGRADE" } as const;
    assert.deepEqual(options({}, everywhere), { explicitHttpConfig: { http2ProtocolOptions: {} } });
    assert.deepEqual(options({ h2UpgradePolicy: "DO_NOT_UPGRADE" }, everywhere), {});
    const keepalive = { interval: "1s", timeout: "2s" };
    assert.deepEqual(
      options({ h2UpgradePolicy: "UPGRADE", useClientProtocol: true, http2KeepAlive: keepalive }),
      {
        useDownstreamProtocolConfig: {
          httpProtocolOptions: {},
          http2ProtocolOptions: { connectionKeepalive: keepalive },
        },
      },
    );
  });

  test("leaves a TCP port alone when the whole mesh is upgraded", () => {
    const service = aService({ hostname, ports: [servicePort({ number: 80, protocol: "TCP" })] });
    const made = firstOf({ service }, { mesh: { h2UpgradePolicy: "UPGRADE" } });
    assert.deepEqual(httpOptions(made), {});
  });

  test("chooses how endpoints are picked", () => {
    const cases: readonly (readonly [NonNullable<Policy["loadBalancer"]>, Partial<ClusterJson>])[] =
      [
        [{ simple: "ROUND_ROBIN" }, { lbPolicy: "ROUND_ROBIN" }],
        [{ simple: "RANDOM" }, { lbPolicy: "RANDOM" }],
        [{ simple: "LEAST_CONN" }, { lbPolicy: "LEAST_REQUEST" }],
        [{ simple: "PASSTHROUGH" }, { lbPolicy: "CLUSTER_PROVIDED", type: "ORIGINAL_DST" }],
        [
          { simple: "ROUND_ROBIN", warmup: { duration: "60s" } },
          {
            lbPolicy: "ROUND_ROBIN",
            roundRobinLbConfig: {
              slowStartConfig: {
                slowStartWindow: "60s",
                aggression: { defaultValue: 1, runtimeKey: "(" },
                minWeightPercent: { value: 10 },
              },
            },
          },
        ],
        [
          { warmupDurationSecs: "5s" },
          {
            lbPolicy: "LEAST_REQUEST",
            leastRequestLbConfig: { slowStartConfig: { slowStartWindow: "5s" } },
          },
        ],
        [
          { consistentHash: { httpHeaderName: "x" } },
          { lbPolicy: "RING_HASH", ringHashLbConfig: { minimumRingSize: "1024" } },
        ],
        [
          { consistentHash: { useSourceIp: true, ringHash: { minimumRingSize: "7" } } },
          { lbPolicy: "RING_HASH", ringHashLbConfig: { minimumRingSize: "7" } },
        ],
        [{ consistentHash: { useSourceIp: true, maglev: {} } }, { lbPolicy: "MAGLEV" }],
        [
          { consistentHash: { useSourceIp: true, maglev: { tableSize: "5" } } },
          { lbPolicy: "MAGLEV", maglevLbConfig: { tableSize: "5" } },
        ],
      ];
    for (const [loadBalancer, expected] of cases) {
      assert.partialDeepStrictEqual(ruled({ loadBalancer }), expected);
    }
    assert.equal(ruled({ loadBalancer: { simple: "PASSTHROUGH" } }).edsClusterConfig, undefined);
  });

  test("ejects bad endpoints, and panics only when it is told to", () => {
    const made = ruled({
      outlierDetection: {
        consecutive5xxErrors: 0,
        consecutiveGatewayErrors: 3,
        minHealthPercent: 40,
        maxEjectionPercent: 50,
        baseEjectionTime: "3s",
      },
    });
    assert.deepEqual(made.outlierDetection, {
      enforcingSuccessRate: 0,
      consecutive5xx: 0,
      enforcingConsecutive5xx: 0,
      consecutiveGatewayFailure: 3,
      enforcingConsecutiveGatewayFailure: 100,
      baseEjectionTime: "3s",
      maxEjectionPercent: 50,
    });
    assert.deepEqual(made.commonLbConfig, { healthyPanicThreshold: { value: 40 } });
  });

  test("weighs localities when they are distributed, or fail over by rule with outlier detection", () => {
    const weighed = (policy: Policy) =>
      ruled(policy).commonLbConfig?.localityWeightedLbConfig !== undefined;
    const distribute = { distribute: [{ from: "*", to: { "*": 100 } }] };
    const failover = { failover: [{ from: "a", to: "b" }] };
    assert.equal(weighed({ loadBalancer: { localityLbSetting: distribute } }), true);
    assert.equal(
      weighed({ loadBalancer: { localityLbSetting: { ...distribute, enabled: false } } }),
      false,
    );
    assert.equal(weighed({ loadBalancer: { localityLbSetting: failover } }), false);
    const loadBalancer = { localityLbSetting: failover };
    assert.equal(weighed({ loadBalancer, outlierDetection: {} }), true);
    assert.equal(weighed({ outlierDetection: {} }), false);
  });

  test("of a port replaces the whole policy, of a subset the blocks that it names", () => {
    const rule = aDestinationRule({
      host: hostname,
      trafficPolicy: {
        loadBalancer: { simple: "RANDOM" },
        connectionPool: { tcp: { maxConnections: 1 } },
        portLevelSettings: [{ port: { number: 81 }, loadBalancer: { simple: "ROUND_ROBIN" } }],
      },
      subsets: [
        { name: "v1", trafficPolicy: { connectionPool: { tcp: { maxConnections: 2 } } } },
        {
          name: "v2",
          trafficPolicy: { portLevelSettings: [{ port: { number: 80 }, outlierDetection: {} }] },
        },
      ],
    });
    const ports = [servicePort({ number: 80 }), servicePort({ number: 81, name: "other" })];
    const made = byName(aView(aScope([{ service: aService({ hostname, ports }), rule }])));
    const facts = (name: string) => [
      made[name]?.lbPolicy,
      made[name]?.circuitBreakers?.thresholds?.[0]?.maxConnections,
      made[name]?.outlierDetection !== undefined,
    ];
    assert.deepEqual(facts(`outbound|80||${hostname}`), ["RANDOM", 1, false]);
    assert.deepEqual(facts(`outbound|81||${hostname}`), ["ROUND_ROBIN", 4294967295, false]);
    assert.deepEqual(facts(`outbound|80|v1|${hostname}`), ["RANDOM", 2, false]);
    assert.deepEqual(facts(`outbound|81|v1|${hostname}`), ["ROUND_ROBIN", 2, false]);
    assert.deepEqual(facts(`outbound|80|v2|${hostname}`), ["LEAST_REQUEST", 4294967295, true]);
    assert.deepEqual(
      rulesBehind(made[`outbound|80|v2|${hostname}`] ?? {}).map(({ keys }) => keys.join(".")),
      ["spec.trafficPolicy", "spec.subsets.1", "spec.subsets.1.trafficPolicy.portLevelSettings.0"],
    );
    assert.deepEqual(made[`outbound|80|v1|${hostname}`]?.metadata?.filterMetadata?.["istio"], {
      services: [{ host: hostname, name: "reviews", namespace: "default" }],
      config: "/apis/networking.istio.io/v1/namespaces/default/destination-rule/rule",
      subset: "v1",
    });
  });

  test("falls back on the mesh's baseline block by block", () => {
    const mesh = {
      defaultTrafficPolicy: {
        connectionPool: { tcp: { maxConnections: 9 } },
        outlierDetection: { consecutive5xxErrors: 1 },
      },
    };
    const made = ruled({ connectionPool: {} }, { mesh });
    assert.equal(made.circuitBreakers?.thresholds?.[0]?.maxConnections, 4294967295);
    assert.equal(made.outlierDetection?.consecutive5xx, 1);
  });
});

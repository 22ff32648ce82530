/** Every form of cluster and endpoint that Pilot generates is taken by the real Envoy and by Heddle's own proxy. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DestinationRule, MergedServer } from "#pilot/view.ts";
import { generateClusters } from "../../src/pilot/translate/clusters/generate.ts";
import { generateEndpoints } from "../../src/pilot/translate/endpoints/generate.ts";
import { envoyProblem, type Generated, heddleProblem } from "../../testkit/envoy-validate.ts";
import {
  aDestinationRule,
  anEndpoint,
  aScope,
  aService,
  aView,
  type Seen,
  servicePort,
} from "../../testkit/pilot-view.ts";

type Policy = NonNullable<DestinationRule["spec"]["trafficPolicy"]>;

const policies: Readonly<Record<string, Policy>> = {
  plain: {},
  pools: {
    connectionPool: {
      tcp: {
        maxConnections: 100,
        connectTimeout: "0.030s",
        idleTimeout: "30s",
        maxConnectionDuration: "3600s",
        tcpKeepalive: { probes: 3, time: "7200s", interval: "75s" },
      },
      http: {
        http1MaxPendingRequests: 10,
        http2MaxRequests: 20,
        maxRequestsPerConnection: 5,
        maxRetries: 3,
        idleTimeout: "5s",
      },
    },
    retryBudget: { percent: 25, minRetryConcurrency: 5 },
  },
  http2: {
    connectionPool: {
      http: {
        h2UpgradePolicy: "UPGRADE",
        maxConcurrentStreams: 100,
        http2KeepAlive: { interval: "10s", timeout: "5s" },
      },
    },
  },
  "client-protocol": { connectionPool: { http: { useClientProtocol: true } } },
  "round-robin": {
    loadBalancer: {
      simple: "ROUND_ROBIN",
      warmup: { duration: "60s", minimumPercent: 20, aggression: 1.5 },
    },
  },
  "least-request": { loadBalancer: { simple: "LEAST_REQUEST", warmupDurationSecs: "30s" } },
  random: { loadBalancer: { simple: "RANDOM" } },
  passthrough: { loadBalancer: { simple: "PASSTHROUGH" } },
  ring: {
    loadBalancer: {
      consistentHash: { httpHeaderName: "x-user", ringHash: { minimumRingSize: "2048" } },
    },
  },
  maglev: {
    loadBalancer: { consistentHash: { useSourceIp: true, maglev: { tableSize: "65537" } } },
  },
  outliers: {
    outlierDetection: {
      consecutive5xxErrors: 3,
      consecutiveGatewayErrors: 2,
      interval: "5s",
      baseEjectionTime: "60s",
      maxEjectionPercent: 50,
      minHealthPercent: 20,
      splitExternalLocalOriginErrors: true,
      consecutiveLocalOriginFailures: 4,
      outlierDetectionHttpErrorCodes: [500, 429],
    },
  },
  distribute: {
    loadBalancer: {
      localityLbSetting: { distribute: [{ from: "r1/*", to: { "r1/*": 80, "r2/*": 20 } }] },
    },
  },
  failover: {
    loadBalancer: { localityLbSetting: { failover: [{ from: "r1", to: "r2" }] } },
    outlierDetection: {},
  },
  "failover-priority": {
    loadBalancer: {
      localityLbSetting: { failoverPriority: ["version", "topology.kubernetes.io/region"] },
    },
    outlierDetection: {},
  },
  tls: {
    tls: {
      mode: "SIMPLE",
      sni: "example.com",
      subjectAltNames: ["example.com"],
      insecureSkipVerify: true,
    },
  },
  "tls-system": { tls: { mode: "SIMPLE" } },
  "tls-credential": { tls: { mode: "MUTUAL", credentialName: "client" } },
  "tls-off": { tls: { mode: "DISABLE" } },
  "proxy-protocol": { proxyProtocol: { version: "V2" } },
};

function generated(type: "sidecar" | "router"): Generated {
  const seen = Object.entries(policies).map(([name, trafficPolicy]): Seen => {
    const hostname = `${name}.default.svc.cluster.local`;
    return {
      service: aService({ hostname }),
      rule: aDestinationRule({
        host: hostname,
        trafficPolicy,
        subsets: [{ name: "v1", labels: { version: "v1" } }],
        ...(name === "tls-credential" ? { workloadSelector: { matchLabels: { app: "app" } } } : {}),
      }),
      endpoints: ["r1/z1", "r1/z2", "r2/z1"].map((place, index) => {
        const [region = "", zone = ""] = place.split("/");
        return anEndpoint({
          address: `10.0.1.${index + 1}`,
          labels: { version: index === 0 ? "v1" : "v2" },
          locality: { region, zone, subZone: "" },
          weight: index,
          health: index === 2 ? "unhealthy" : "healthy",
        });
      }),
    };
  });
  const view = aView(
    aScope([...seen, ...otherKinds], {
      type,
      locality: { region: "r1", zone: "z1", subZone: "" },
      labels: { version: "v1" },
      mesh: {
        connectTimeout: "10s",
        outboundClusterStatName: "%SERVICE%_%SERVICE_PORT%_%SUBSET_NAME%",
      },
    }),
    {
      servers: [{ port: 15443, bind: "0.0.0.0", servers: [eastWest] }],
      targets: otherKinds.slice(0, 1).flatMap(({ service }) =>
        service.ports.map((port) => ({
          service,
          port,
          endpoint: anEndpoint({ address: "10.0.0.1" }),
          targetPort: port.number + 8000,
        })),
      ),
    },
  );
  const clusters = generateClusters(view);
  const names = clusters.flatMap(({ edsClusterConfig }) => edsClusterConfig?.serviceName ?? []);
  return { clusters, endpoints: generateEndpoints(view, new Set(names)) };
}

const eastWest: MergedServer = {
  server: { port: { number: 15443, protocol: "TLS" }, tls: { mode: "AUTO_PASSTHROUGH" } },
  gateway: "default/east-west",
  object: aDestinationRule({}),
  index: 0,
  routeName: undefined,
};

const otherKinds: readonly Seen[] = [
  {
    service: aService({
      hostname: "ports.default.svc.cluster.local",
      ports: [
        servicePort({ name: "http", number: 80 }),
        servicePort({ name: "grpc", number: 81, protocol: "GRPC" }),
        servicePort({ name: "auto", number: 82, protocol: "auto" }),
        servicePort({ name: "tcp", number: 83, protocol: "TCP" }),
        servicePort({ name: "dns", number: 53, protocol: "UDP" }),
      ],
    }),
  },
  {
    service: aService({
      hostname: "api.example.com",
      resolution: "dns",
      meshExternal: true,
      registry: "External",
    }),
    endpoints: [anEndpoint({ address: "api.example.com", ports: { http: 80 } })],
  },
  {
    service: aService({ hostname: "www.example.com", resolution: "dns-round-robin" }),
    endpoints: [anEndpoint({ address: "www.example.com", ports: { http: 80 } })],
  },
  {
    service: aService({
      hostname: "*.example.org",
      resolution: "passthrough",
      registry: "External",
      ports: [servicePort({ number: 80, targetPort: 8080 })],
    }),
  },
  {
    service: aService({ hostname: "unix.example.com", registry: "External" }),
    endpoints: [anEndpoint({ address: "unix:///var/run/app.sock" })],
  },
];

for (const type of ["sidecar", "router"] as const) {
  test(`the real Envoy takes those of a ${type}`, async () => {
    assert.equal(await envoyProblem(generated(type)), undefined);
  });

  test(`Heddle's proxy takes those of a ${type}`, async () => {
    assert.equal(await heddleProblem(generated(type)), undefined);
  });
}

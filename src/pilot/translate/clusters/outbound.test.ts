import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  byName,
  firstOf,
  hostname,
  httpOptions,
  reviews,
} from "../../../../testkit/pilot-clusters.ts";
import {
  anEndpoint,
  aScope,
  aService,
  aView,
  servicePort,
} from "../../../../testkit/pilot-view.ts";
import { generateClusters } from "./generate.ts";

const plainService = {
  name: "outbound|80||reviews.default.svc.cluster.local",
  altStatName: "outbound|80||reviews.default.svc.cluster.local;",
  type: "EDS",
  commonLbConfig: { healthyPanicThreshold: { value: 0 } },
  connectTimeout: "10s",
  circuitBreakers: {
    thresholds: [
      {
        maxConnections: 4294967295,
        maxPendingRequests: 4294967295,
        maxRequests: 4294967295,
        maxRetries: 4294967295,
        trackRemaining: true,
      },
    ],
  },
  lbPolicy: "LEAST_REQUEST",
  edsClusterConfig: {
    serviceName: "outbound|80||reviews.default.svc.cluster.local",
    edsConfig: { ads: {}, initialFetchTimeout: "0s", resourceApiVersion: "V3" },
  },
  metadata: {
    filterMetadata: {
      istio: { services: [{ host: hostname, name: "reviews", namespace: "default" }] },
    },
  },
};

describe("a service's cluster", () => {
  test("has Istio's defaults without any rule", () => {
    assert.deepEqual(firstOf({ service: reviews }), plainService);
  });

  test("is found as the service's resolution says", () => {
    const at = (address: string) => [anEndpoint({ address, ports: { http: 80 } })];
    const cases = [
      ["static", "sidecar", "EDS"],
      ["dns", "sidecar", "STRICT_DNS"],
      ["dns-round-robin", "sidecar", "LOGICAL_DNS"],
      ["passthrough", "sidecar", "ORIGINAL_DST"],
      ["passthrough", "router", "EDS"],
    ] as const;
    for (const [resolution, type, expected] of cases) {
      const service = aService({ hostname, resolution });
      const made = firstOf({ service, endpoints: at("api.example.com") }, { type });
      assert.equal(made.type, expected, `${resolution} of a ${type}`);
      assert.equal(made.edsClusterConfig === undefined, expected !== "EDS");
      assert.equal(made.loadAssignment === undefined, !expected.endsWith("_DNS"));
      assert.equal(made.lbPolicy === "CLUSTER_PROVIDED", expected === "ORIGINAL_DST");
    }
  });

  test("of DNS names resolves them as the mesh says", () => {
    const service = aService({
      hostname: "api.example.com",
      resolution: "dns",
      meshExternal: true,
    });
    const endpoints = [
      anEndpoint({ address: "a.example.com" }),
      anEndpoint({ address: "10.1.1.1" }),
    ];
    const made = firstOf({ service, endpoints }, { mesh: { dnsRefreshRate: "5s" } });
    assert.equal(made.dnsRefreshRate, "5s");
    assert.equal(made.dnsLookupFamily, "V4_ONLY");
    assert.equal(made.respectDnsTtl, true);
    assert.equal(made.metadata?.filterMetadata?.["istio"]?.["external"], true);
    const addresses = made.loadAssignment?.endpoints?.flatMap(({ lbEndpoints = [] }) =>
      lbEndpoints.map(({ endpoint }) => endpoint?.address?.socketAddress?.address),
    );
    assert.deepEqual(addresses, ["a.example.com", "10.1.1.1"]);
  });

  test("does not exist for a DNS service without addresses, a UDP port or an alias", () => {
    const names = (service: typeof reviews) =>
      Object.keys(byName(aView(aScope([{ service }])))).filter((name) =>
        name.startsWith("outbound"),
      );
    assert.deepEqual(names(aService({ hostname, resolution: "dns" })), []);
    assert.deepEqual(names(aService({ hostname, resolution: "alias" })), []);
    const udp = servicePort({ number: 53, protocol: "UDP" });
    assert.deepEqual(names(aService({ hostname, ports: [udp] })), []);
  });

  test("of a ServiceEntry without resolution goes to the port that the workload has", () => {
    const ports = [servicePort({ number: 80, targetPort: 8080 })];
    const entry = aService({ hostname, resolution: "passthrough", registry: "External", ports });
    assert.deepEqual(firstOf({ service: entry }).originalDstLbConfig, {
      upstreamPortOverride: 8080,
    });
  });

  test("speaks what the port's protocol says", () => {
    const options = (protocol: "GRPC" | "auto" | "HTTP" | "TCP", type: "sidecar" | "router") => {
      const service = aService({ hostname, ports: [servicePort({ number: 80, protocol })] });
      return httpOptions(firstOf({ service }, { type }));
    };
    const http2 = { explicitHttpConfig: { http2ProtocolOptions: {} } };
    const clients = {
      useDownstreamProtocolConfig: { httpProtocolOptions: {}, http2ProtocolOptions: {} },
    };
    assert.deepEqual(options("GRPC", "sidecar"), http2);
    assert.deepEqual(options("GRPC", "router"), http2);
    assert.deepEqual(options("auto", "sidecar"), clients);
    assert.deepEqual(options("auto", "router"), {});
    assert.deepEqual(options("HTTP", "sidecar"), {});
    assert.deepEqual(options("TCP", "sidecar"), {});
  });

  test("keeps the case of header names when the proxy's configuration wants it", () => {
    const view = aView(aScope([{ service: reviews }]));
    const node = {
      ...view.node,
      metadata: { PROXY_CONFIG: { proxyHeaders: { preserveHttp1HeaderCase: true } } },
    };
    const [made] = generateClusters({ ...view, node });
    assert.match(JSON.stringify(made?.typedExtensionProtocolOptions), /preserve_case/);
  });

  test("has the statistics prefix that the mesh wants", () => {
    const mesh = {
      outboundClusterStatName: "%SERVICE%.%SERVICE_PORT%.%SERVICE_PORT_NAME%.%UNKNOWN%",
    };
    assert.equal(
      firstOf({ service: reviews }, { mesh }).altStatName,
      "reviews.default.80.http.%UNKNOWN%;",
    );
  });
});

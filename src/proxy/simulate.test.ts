import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AnyJson } from "@bufbuild/protobuf/wkt";
import type { FilterChainJson } from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import type { RouteJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import { type CallOutcome, type SimulatedConfiguration, Simulation } from "./simulate.ts";
import type { Call } from "./simulated-call.ts";

const packed = <T extends object>(name: string, message: T): AnyJson => ({
  "@type": `type.googleapis.com/${name}`,
  ...message,
});

const inspector = (name: string, message: string) => ({
  name,
  typedConfig: packed(`envoy.extensions.filters.listener.${name}.v3.${message}`, {}),
});
const tlsInspector = inspector("tls_inspector", "TlsInspector");
const httpInspector = inspector("http_inspector", "HttpInspector");

function tcp(cluster: string, chain: FilterChainJson = {}): FilterChainJson {
  return {
    name: cluster,
    filters: [
      {
        name: "tcp",
        typedConfig: packed("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", { cluster }),
      },
    ],
    ...chain,
  };
}

function http(manager: object, chain: FilterChainJson = {}): FilterChainJson {
  const manager_ = "envoy.extensions.filters.network.http_connection_manager.v3";
  return {
    name: "http",
    filters: [
      {
        name: "http",
        typedConfig: packed(`${manager_}.HttpConnectionManager`, manager),
      },
    ],
    ...chain,
  };
}

function listener(
  name: string,
  filterChains: FilterChainJson[],
  more: ListenerJson = {},
): ListenerJson {
  const [ip = "", port = "0"] = name.split("_");
  return {
    name,
    address: { socketAddress: { address: ip, portValue: Number(port) } },
    filterChains,
    ...more,
  };
}

function tls(context: object): NonNullable<FilterChainJson["transportSocket"]> {
  const tlsContext = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
  return { name: "tls", typedConfig: packed(tlsContext, context) };
}

const call: Call = {
  address: "10.0.0.1",
  port: 80,
  protocol: "http",
  tls: "plaintext",
  sni: "",
  alpn: "",
  hostHeader: "a.test",
  path: "/",
  method: "GET",
  headers: [],
  callMode: "outbound",
};

function run(config: Partial<SimulatedConfiguration>, changes: Partial<Call> = {}): CallOutcome {
  return new Simulation({ listeners: [], routes: [], clusters: [], ...config }).run({
    ...call,
    ...changes,
  });
}

/** Names only: what a test compares. */
function names({ listener: on, filterChain, virtualHost, route, clusterName, error }: CallOutcome) {
  return [on?.name, filterChain?.name, virtualHost?.name, route?.name, clusterName, error];
}

describe("a call's listener", () => {
  const listeners = [
    listener("virtualOutbound", [tcp("passthrough")], {
      address: { socketAddress: { address: "0.0.0.0", portValue: 15001 } },
    }),
    listener("virtualInbound", [tcp("inbound")], {
      address: { socketAddress: { address: "0.0.0.0", portValue: 15006 } },
    }),
    listener("0.0.0.0_80", [tcp("any")]),
    listener("10.0.0.1_80", [tcp("exact")]),
    listener("10.0.0.9_90", [tcp("additional")], {
      additionalAddresses: [
        { address: { socketAddress: { address: "2001:db8::1", portValue: 90 } } },
      ],
    }),
  ];

  const cases: readonly (readonly [Partial<Call>, string])[] = [
    [{}, "10.0.0.1_80"],
    [{ address: "10.0.0.2" }, "0.0.0.0_80"],
    [{ address: "10.0.0.2", port: 81 }, "virtualOutbound"],
    [{ address: "2001:DB8:0::1", port: 90 }, "10.0.0.9_90"],
    [{ callMode: "inbound" }, "virtualInbound"],
  ];
  for (const [changes, expected] of cases) {
    test(`${JSON.stringify(changes)} comes to ${expected}`, () => {
      assert.equal(run({ listeners }, changes).listener?.name, expected);
    });
  }

  test("without interception is the workload's own, or none", () => {
    const own = listeners.slice(2);
    assert.equal(run({ listeners: own }, { callMode: "inbound" }).listener?.name, "10.0.0.1_80");
    assert.deepEqual(run({ listeners: own }, { port: 1 }), { error: "NoListener" });
  });
});

describe("a call's filter chain", () => {
  const chains = [
    tcp("mtls", {
      filterChainMatch: { transportProtocol: "tls", applicationProtocols: ["istio"] },
    }),
    tcp("sni", { filterChainMatch: { transportProtocol: "tls", serverNames: ["*.a.test"] } }),
    tcp("http", {
      filterChainMatch: {
        transportProtocol: "raw_buffer",
        applicationProtocols: ["http/1.1", "h2c"],
      },
    }),
    tcp("port", { filterChainMatch: { destinationPort: 81 } }),
  ];
  const at = (listenerFilters: ListenerJson["listenerFilters"], changes: Partial<Call>) =>
    run(
      { listeners: [listener("0.0.0.0_80", chains, { listenerFilters: listenerFilters ?? [] })] },
      changes,
    );

  const both = [tlsInspector, httpInspector];
  const cases: readonly (readonly [Partial<Call>, string | undefined])[] = [
    [{ protocol: "http" }, "http"],
    [{ protocol: "http2" }, "http"],
    [{ protocol: "tcp" }, undefined],
    [{ protocol: "tcp", tls: "tls", sni: "X.a.test" }, "sni"],
    [{ protocol: "tcp", tls: "tls", sni: "a.test" }, undefined],
    [{ protocol: "tcp", tls: "mtls", alpn: "istio" }, "mtls"],
  ];
  for (const [changes, expected] of cases) {
    test(`of ${JSON.stringify(changes)} is ${expected ?? "none"}`, () => {
      const outcome = at(both, changes);
      assert.equal(outcome.filterChain?.name, expected);
      assert.equal(outcome.error, expected === undefined ? "NoFilterChain" : undefined);
    });
  }

  test("knows nothing of TLS or HTTP without inspectors", () => {
    assert.equal(at([], { protocol: "http" }).error, "NoFilterChain");
    assert.equal(at([httpInspector], { tls: "tls", sni: "x.a.test" }).error, "NoFilterChain");
    const disabled = {
      ...httpInspector,
      filterDisabled: { destinationPortRange: { start: 80, end: 81 } },
    };
    assert.equal(at([disabled], { protocol: "http" }).error, "NoFilterChain");
  });

  test("is the default one when none fits", () => {
    const only = listener("0.0.0.0_80", [tcp("x", { filterChainMatch: { destinationPort: 1 } })], {
      defaultFilterChain: tcp("default"),
    });
    assert.equal(run({ listeners: [only] }).clusterName, "default");
  });

  test("must be one", () => {
    const twice = [tcp("a"), tcp("b")];
    const outcome = run({ listeners: [listener("0.0.0.0_80", twice)] });
    assert.deepEqual(names(outcome).slice(0, 2), ["0.0.0.0_80", undefined]);
    assert.equal(outcome.error, "MultipleFilterChain");
  });
});

describe("TLS of a chain", () => {
  const ended = (context: object, changes: Partial<Call>) =>
    run(
      { listeners: [listener("0.0.0.0_80", [tcp("x", { transportSocket: tls(context) })])] },
      changes,
    ).error;
  const insists = { requireClientCertificate: true };
  const asks = { commonTlsContext: { validationContext: { trustedCa: { filename: "/ca" } } } };

  test("refuses plain text", () => {
    assert.equal(ended({}, {}), "TLSError");
    assert.equal(ended(insists, {}), "TLSError");
  });

  test("and the call agree on client certificates", () => {
    assert.equal(ended(insists, { tls: "tls" }), "MTLSError");
    assert.equal(ended(insists, { tls: "mtls" }), undefined);
    assert.equal(ended({}, { tls: "mtls" }), "MTLSError");
    assert.equal(ended({}, { tls: "tls" }), undefined);
    assert.equal(ended(asks, { tls: "tls" }), undefined);
    assert.equal(ended(asks, { tls: "mtls" }), undefined);
  });
});

describe("a request", () => {
  const route = (name: string, match: object, action: RouteJson = {}): RouteJson => ({
    name,
    match,
    ...(Object.keys(action).length > 0 ? action : { route: { cluster: name } }),
  });
  const routes = [
    {
      name: "rds",
      ignorePortInHostMatching: true,
      virtualHosts: [
        {
          name: "a",
          domains: ["a.test", "*.a.test"],
          routes: [
            route("same", {
              prefix: "/",
              headers: [{ name: "x-user", stringMatch: { exact: "jason" } }],
            }),
            route("same", { path: "/exact" }, { route: { cluster: "second" } }),
            route("regex", { safeRegex: { regex: "/v[12]/.*" } }),
            route("query", { prefix: "/", queryParameters: [{ name: "q", presentMatch: true }] }),
            route("post", {
              prefix: "/",
              headers: [{ name: ":method", stringMatch: { exact: "POST" } }],
            }),
            route(
              "moved",
              { prefix: "/old" },
              { redirect: { pathRedirect: "/new", responseCode: "FOUND" } },
            ),
            route(
              "fixed",
              { prefix: "/fixed" },
              { directResponse: { status: 418, body: { inlineString: "tea" } } },
            ),
            route(
              "rewritten",
              { prefix: "/api/" },
              {
                route: { cluster: "api", prefixRewrite: "/", hostRewriteLiteral: "api.internal" },
                requestHeadersToAdd: [{ header: { key: "x-added", value: "1" } }],
              },
            ),
            route(
              "split",
              { prefix: "/split" },
              {
                route: {
                  weightedClusters: {
                    clusters: [
                      { name: "v1", weight: 90 },
                      { name: "v2", weight: 10 },
                    ],
                  },
                },
              },
            ),
            route(
              "all",
              { prefix: "/most" },
              {
                route: {
                  weightedClusters: {
                    clusters: [
                      { name: "v1", weight: 100 },
                      { name: "v2", weight: 0 },
                    ],
                  },
                },
              },
            ),
          ],
        },
        {
          name: "secure",
          domains: ["secure.test"],
          requireTls: "ALL" as const,
          routes: [route("secure", { prefix: "/" })],
        },
      ],
    },
  ];
  const listeners = [
    listener("0.0.0.0_80", [http({ rds: { routeConfigName: "rds" } })]),
    listener("0.0.0.0_81", [http({ rds: { routeConfigName: "absent" } })]),
    listener("0.0.0.0_82", [http({ routeConfig: routes[0] })]),
    listener("0.0.0.0_443", [http({ routeConfig: routes[0] }, { transportSocket: tls({}) })]),
  ];
  const config = { listeners, routes, clusters: [{ name: "same" }] };
  const routed = (changes: Partial<Call>) => {
    const { virtualHost, route: found, clusterName, error } = run(config, changes);
    return [virtualHost?.name, found?.name, clusterName, error];
  };

  test("is matched by host, path, headers, query and method, in order", () => {
    const jason: Call["headers"] = [["X-User", "jason"]];
    assert.deepEqual(routed({ headers: jason }), ["a", "same", "same", undefined]);
    assert.deepEqual(routed({ path: "/exact" }), ["a", "same", "second", undefined]);
    assert.deepEqual(routed({ path: "/v2/x", hostHeader: "X.a.test:80" }), [
      "a",
      "regex",
      "regex",
      undefined,
    ]);
    assert.deepEqual(routed({ path: "/x?q=1" }), ["a", "query", "query", undefined]);
    assert.deepEqual(routed({ method: "POST" }), ["a", "post", "post", undefined]);
    assert.deepEqual(routed({}), ["a", undefined, undefined, "NoRoute"]);
    assert.deepEqual(routed({ hostHeader: "b.test" }), [
      undefined,
      undefined,
      undefined,
      "NoVirtualHost",
    ]);
    assert.deepEqual(routed({ hostHeader: "" }), [
      undefined,
      undefined,
      undefined,
      "NoVirtualHost",
    ]);
  });

  test("names its route configuration only when it is asked for by name", () => {
    assert.equal(run(config).routeConfigName, "rds");
    const inline = run(config, { port: 82, path: "/exact" });
    assert.equal(inline.routeConfigName, undefined);
    assert.equal(inline.clusterName, "second");
    const absent = run(config, { port: 81 });
    assert.deepEqual([absent.routeConfigName, absent.error], ["absent", "NoVirtualHost"]);
  });

  test("gives back the configuration's own objects", () => {
    const outcome = run(config, { path: "/exact" });
    assert.equal(outcome.route, routes[0]?.virtualHosts[0]?.routes[1]);
    assert.equal(outcome.virtualHost, routes[0]?.virtualHosts[0]);
    assert.equal(outcome.routeConfig, routes[0]);
  });

  test("is answered by the proxy itself", () => {
    const moved = run(config, { path: "/old" });
    assert.deepEqual(moved.answer, { status: 302, location: "http://a.test/new" });
    assert.equal(moved.clusterName, undefined);
    assert.deepEqual(run(config, { path: "/fixed" }).answer, { status: 418, body: "tea" });
  });

  test("goes on rewritten", () => {
    const { sent } = run(config, { path: "/api/x?y=1" });
    assert.deepEqual([sent?.host, sent?.path], ["api.internal", "/x?y=1"]);
    assert.ok(sent?.headers.some(([name, value]) => name === "x-added" && value === "1"));
  });

  test("is shared by weight, or goes to the one that has all of it", () => {
    const split = run(config, { path: "/split" });
    assert.equal(split.clusterName, undefined);
    assert.deepEqual(split.destinations, [
      { cluster: "v1", weight: 90 },
      { cluster: "v2", weight: 10 },
    ]);
    assert.equal(run(config, { path: "/most" }).clusterName, "v1");
  });

  test("knows whether its cluster exists", () => {
    assert.deepEqual(run(config, { headers: [["x-user", "jason"]] }).cluster, { name: "same" });
    assert.equal(run(config, { path: "/exact" }).cluster, undefined);
  });

  test("is sent to TLS where that is required", () => {
    const plain = run(config, { hostHeader: "secure.test" });
    assert.deepEqual([plain.virtualHost?.name, plain.error], ["secure", "TLSRedirect"]);
    const secure = run(config, { hostHeader: "secure.test", port: 443, tls: "tls" });
    assert.equal(secure.clusterName, "secure");
  });

  test("must be HTTP in clear text", () => {
    assert.equal(run(config, { protocol: "tcp" }).error, "ProtocolError");
    assert.equal(run(config, { tls: "tls" }).error, "ProtocolError");
    assert.equal(run(config, { port: 443, tls: "tls", protocol: "tcp" }).error, "ProtocolError");
  });
});

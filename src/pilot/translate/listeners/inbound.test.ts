import assert from "node:assert/strict";
import { test } from "node:test";
import type { FilterChainJson } from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import { viewOf } from "../../../../testkit/view-of.ts";
import { rulesBehind } from "../../provenance.ts";
import type { ProxyView } from "../../view.ts";
import { generateListeners, listenerProblems } from "./generate.ts";

/** Two services before one workload at 10.0.0.1. */
const services = (first: string, second: string): string =>
  [first, second]
    .map(
      (protocol, index) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: s${index}, namespace: default }
spec:
  hosts: [s${index}.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: ${80 + index}, name: p, protocol: ${protocol}, targetPort: 8080 }]
  endpoints: [{ address: 10.0.0.1 }]`,
    )
    .join("\n---");

function chainsOfPort(view: ProxyView, port: number): readonly FilterChainJson[] {
  const listener = generateListeners(view).find(({ name }) => name === "virtualInbound");
  return (listener?.filterChains ?? []).filter(
    ({ filterChainMatch }) => filterChainMatch?.destinationPort === port,
  );
}

test("of two services on one port of the workload the older one's protocol holds", () => {
  const view = viewOf({ yaml: services("TCP", "HTTP") });
  const chains = chainsOfPort(view, 8080);
  assert.deepEqual(
    chains.map(({ filters }) => filters?.[0]?.name),
    ["envoy.filters.network.tcp_proxy"],
  );
  const [rule] = chains[0] === undefined ? [] : rulesBehind(chains[0]);
  assert.equal(rule?.object.metadata.name, "s0");
  assert.deepEqual(
    listenerProblems(view).map(({ metric }) => metric),
    ["pilot_conflict_inbound_listener"],
  );
});

test("two services of one protocol are no conflict", () => {
  const view = viewOf({ yaml: services("HTTP", "HTTP") });
  assert.equal(chainsOfPort(view, 8080).length, 1);
  assert.deepEqual(listenerProblems(view), []);
});

test("bytes are looked at only on ports whose protocol nobody said", () => {
  const view = viewOf({
    yaml: services("TCP", "TCP"),
    meshConfig: { proxyInboundListenPort: 15006, protocolDetectionTimeout: "5s" },
  });
  const listener = generateListeners(view).find(({ name }) => name === "virtualInbound");
  assert.equal(listener?.listenerFiltersTimeout, "5s");
  assert.deepEqual(
    listener?.listenerFilters?.map(({ name, filterDisabled }) => [name, filterDisabled]),
    [
      ["envoy.filters.listener.original_dst", undefined],
      [
        "envoy.filters.listener.http_inspector",
        {
          orMatch: {
            rules: [
              { destinationPortRange: { start: 8080, end: 8081 } },
              { destinationPortRange: { start: 15006, end: 15007 } },
            ],
          },
        },
      ],
    ],
  );
});

test("transparent interception keeps the client's address", () => {
  const view = viewOf({ yaml: services("HTTP", "HTTP"), node: { interceptionMode: "TPROXY" } });
  const names = generateListeners(view).flatMap(({ name, transparent, listenerFilters = [] }) =>
    transparent === true ? [[name, ...listenerFilters.map((filter) => filter.name)]] : [],
  );
  assert.deepEqual(names, [
    ["virtualOutbound"],
    [
      "virtualInbound",
      "envoy.filters.listener.original_dst",
      "envoy.filters.listener.original_src",
      "envoy.filters.listener.http_inspector",
    ],
  ]);
});

test("the workload may listen on the mesh's own ports only if nothing of the proxy does", () => {
  const view = viewOf({
    yaml: services("HTTP", "HTTP"),
    node: { metadata: { ENVOY_STATUS_PORT: 8080 } },
  });
  assert.deepEqual(chainsOfPort(view, 8080), []);
});

test("TLS of a Sidecar's own is refused by name", () => {
  const view = viewOf({
    yaml: `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: own, namespace: default }
spec:
  ingress:
    - port: { number: 8443, protocol: HTTPS, name: https }
      defaultEndpoint: 127.0.0.1:8080
      tls: { mode: SIMPLE, serverCertificate: /c, privateKey: /k }
  egress: [{ hosts: ["./*"] }]`,
  });
  assert.match(
    listenerProblems(view)[0]?.message ?? "",
    /^Sidecar default\/own: ingress port 8443/,
  );
});

test("a waypoint is refused by name", () => {
  const view = viewOf({ yaml: services("HTTP", "HTTP"), node: { type: "waypoint" } });
  assert.deepEqual(generateListeners(view), []);
  assert.match(listenerProblems(view)[0]?.message ?? "", /waypoints are not supported/);
});

test("settings that change nothing are named", () => {
  const view = viewOf({
    yaml: services("HTTP", "HTTP"),
    meshConfig: { enableEnvoyAccessLogService: true },
    node: {
      metadata: {
        INBOUND_LISTENER_EXACT_BALANCE: "true",
        PROXY_CONFIG: { connectionSettings: { httpIdleTimeout: "1s" }, unknownField: 1 },
      },
    },
  });
  assert.deepEqual(
    listenerProblems(view).map(({ message }) => message.split(" is not supported")[0]),
    [
      "MeshConfig.enableEnvoyAccessLogService",
      "ProxyConfig.connectionSettings",
      "metadata INBOUND_LISTENER_EXACT_BALANCE",
    ],
  );
});

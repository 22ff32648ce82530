import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nodeOf, objectsOf } from "../../../testkit/view-of.ts";
import { meshState } from "../state/mesh-state.ts";
import { proxyView } from "../views.ts";

const gateway = (name: string, servers: readonly string[], namespace = "edge"): string => `
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  selector: {app: gateway}
  servers:
${servers.map((server) => `  - {${server}}`).join("\n")}
`;

const http = (port: number, hosts: string, more = ""): string =>
  `port: {number: ${port}, name: http, protocol: HTTP}, hosts: [${hosts}]${more}`;
const https = (port: number, hosts: string, name = "https", more = ""): string =>
  `port: {number: ${port}, name: ${name}, protocol: HTTPS}, hosts: [${hosts}], tls: {mode: SIMPLE, credentialName: c}${more}`;
const tls = (port: number, hosts: string): string =>
  `port: {number: ${port}, name: tls, protocol: TLS}, hosts: [${hosts}], tls: {mode: PASSTHROUGH}`;
const tcp = (port: number): string =>
  `port: {number: ${port}, name: tcp, protocol: TCP}, hosts: ["*"]`;

const node = nodeOf({ type: "router", namespace: "edge", labels: { app: "gateway" } });

function merged(...yaml: readonly string[]) {
  const state = meshState({ objects: objectsOf(yaml.join("")) });
  const view = proxyView(state, node);
  return {
    servers: view.servers.map(({ port, bind, servers }) => ({
      port,
      bind,
      servers: servers.map(
        ({ gateway: of, index, routeName }) => `${of}[${index}] ${routeName ?? "-"}`,
      ),
    })),
    rejected: view.rejectedServers?.map(
      ({ object, index, reason }) => `${object.metadata.name}[${index}] ${reason}`,
    ),
  };
}

describe("Gateways of a proxy", () => {
  test("HTTP servers of a port share a route; each HTTPS server has its own; others have none", () => {
    const { servers, rejected } = merged(
      gateway("one", [
        http(80, "a.example"),
        https(443, "a.example", "a"),
        https(443, "b.example", "b"),
        tls(443, "c.example"),
        tcp(9000),
      ]),
      gateway("two", [http(80, "b.example")], "other"),
    );
    assert.deepEqual(rejected, []);
    assert.deepEqual(servers, [
      { port: 80, bind: "", servers: ["edge/one[0] http.80", "other/two[0] http.80"] },
      {
        port: 443,
        bind: "",
        servers: [
          "edge/one[1] https.443.a.one.edge",
          "edge/one[2] https.443.b.one.edge",
          "edge/one[3] -",
        ],
      },
      { port: 9000, bind: "", servers: ["edge/one[4] -"] },
    ]);
  });

  test("what does not fit on a port is refused, the oldest stays, and the reason is told", () => {
    const { servers, rejected } = merged(
      gateway("one", [http(80, "a.example"), https(443, "a.example"), tcp(9000)]),
      gateway("two", [
        tcp(80),
        https(80, "x.example"),
        http(443, "a.example"),
        https(443, "a.example", "again"),
        tcp(9000),
        https(443, "new.example", "new"),
      ]),
    );
    assert.deepEqual(
      servers.map(({ port, servers: list }) => [port, list.length]),
      [
        [80, 1],
        [443, 2],
        [9000, 1],
      ],
    );
    assert.deepEqual(rejected, [
      "two[0] port 80 is already used with HTTP",
      "two[1] port 80 is already used with HTTP",
      "two[2] port 443 is already used with HTTPS, this server has no TLS",
      "two[3] another TLS server of port 443 has the same host",
      "two[4] port 9000 is already used with TCP",
    ]);
  });

  test("servers that bind addresses of their own are not in each other's way", () => {
    const bound = (address: string, server: string): string => `bind: ${address}, ${server}`;
    const { servers, rejected } = merged(
      gateway("one", [
        bound("10.0.0.1", http(80, "a.example")),
        bound("10.0.0.2", tcp(80)),
        bound("10.0.0.1", https(443, "a.example")),
        bound("10.0.0.2", https(443, "a.example", "b")),
      ]),
    );
    assert.deepEqual(rejected, []);
    assert.deepEqual(
      servers.map(({ port, bind, servers: [server] }) => [port, bind, server]),
      [
        [80, "10.0.0.1", "edge/one[0] http.80.10.0.0.1"],
        [80, "10.0.0.2", "edge/one[1] -"],
        [443, "10.0.0.1", "edge/one[2] https.443.https.one.edge.10.0.0.1"],
        [443, "10.0.0.2", "edge/one[3] https.443.b.one.edge.10.0.0.2"],
      ],
    );
  });

  test("a Service before the proxy moves its ports; annotated so, it does not", () => {
    const service = (labels: string): string => `
---
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: edge, labels: {${labels}}}
spec: {clusterIP: 10.0.0.9, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: gateway, namespace: edge, labels: {kubernetes.io/service-name: gateway}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.0.0.1]}]
`;
    const one = gateway("one", [http(80, "a.example"), http(81, "a.example")]);
    const ports = (yaml: string): readonly unknown[] =>
      merged(one, yaml).servers.map(({ port, servers }) => [port, servers]);
    assert.deepEqual(ports(service("")), [
      [8080, ["edge/one[0] http.8080"]],
      [81, ["edge/one[1] http.81"]],
    ]);
    const kept = service('experimental.istio.io/disable-gateway-port-translation: "true"');
    assert.equal(merged(one, kept).servers[0]?.port, 80);
  });

  test("hosts: the Gateway's own namespace, any, and everything", () => {
    const state = meshState({
      objects: objectsOf(
        gateway("one", [
          http(80, '"./a.example", "*/B.example", "other/c.example"'),
          http(81, '"a.example", "*/*"'),
        ]),
      ),
    });
    assert.deepEqual(
      proxyView(state, node).servers.map(({ servers: [server] }) => server?.server.hosts),
      [["edge/a.example", "b.example", "other/c.example"], ["*"]],
    );
  });

  test("Gateways that do not select the proxy, and proxies that are no gateways, have none", () => {
    const state = meshState({ objects: objectsOf(gateway("one", [http(80, "a.example")])) });
    assert.deepEqual(proxyView(state, { ...node, labels: { app: "other" } }).servers, []);
    assert.deepEqual(proxyView(state, { ...node, type: "sidecar" }).servers, []);
  });
});

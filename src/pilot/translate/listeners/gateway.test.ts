import assert from "node:assert/strict";
import { test } from "node:test";
import type { FilterChainJson } from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import { viewOf } from "../../../../testkit/view-of.ts";
import { rulesBehind } from "../../provenance.ts";
import type { ProxyView } from "../../view.ts";
import { generateListeners, listenerProblems } from "./generate.ts";

function gateway(servers: string, more = "", metadata: Record<string, unknown> = {}): ProxyView {
  return viewOf({
    node: { type: "router", metadata },
    yaml: `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gateway, namespace: default }
spec:
  servers:
${servers}
${more}`,
  });
}

const chains = (view: ProxyView): readonly FilterChainJson[] =>
  generateListeners(view).flatMap(({ filterChains = [] }) => filterChains);
const messages = (view: ProxyView): readonly string[] =>
  listenerProblems(view).map(({ message }) => message);

test("servers of two namespaces cannot have the same name", () => {
  const view = gateway(
    `
    - { port: { number: 443, name: a, protocol: HTTPS }, hosts: [default/a.example.com], tls: { mode: SIMPLE, serverCertificate: /c, privateKey: /k } }
    - { port: { number: 443, name: b, protocol: HTTPS }, hosts: [other/a.example.com, b.example.com], tls: { mode: SIMPLE, serverCertificate: /c, privateKey: /k } }`,
  );
  assert.deepEqual(
    chains(view).map(({ filterChainMatch }) => filterChainMatch?.serverNames),
    [["a.example.com"], ["b.example.com"]],
  );
  assert.deepEqual(messages(view), ["Gateway default/gateway: an older rule takes a.example.com"]);
});

test("what cannot be done is refused by name, and the other servers stay", () => {
  const view = gateway(
    `
    - { port: { number: 443, name: a, protocol: HTTPS }, hosts: [a.example.com], tls: { mode: ISTIO_MUTUAL } }
    - { port: { number: 443, name: b, protocol: HTTPS }, hosts: [b.example.com], tls: { mode: SIMPLE, credentialName: "sds://vault" } }
    - { port: { number: 443, name: c, protocol: HTTPS }, hosts: [c.example.com], tls: { mode: SIMPLE, serverCertificate: /c, privateKey: /k } }
    - { port: { number: 5432, name: tcp, protocol: TCP }, hosts: ["*"] }`,
  );
  assert.deepEqual(
    generateListeners(view).map(({ name }) => name),
    ["0.0.0.0_443"],
  );
  assert.equal(chains(view).length, 1);
  assert.deepEqual(messages(view), [
    "Gateway default/gateway, server 0: tls.mode ISTIO_MUTUAL needs workload certificates, which Heddle does not have yet",
    "Gateway default/gateway, server 1: credential sds://vault is not a Kubernetes Secret, which is all that Heddle serves",
    "Gateway default/gateway, server 3: no VirtualService has a tcp route for it, so it takes no connections",
  ]);
});

test("an unprivileged gateway leaves low ports alone", () => {
  const servers = `
    - { port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }
    - { port: { number: 8080, name: http-high, protocol: HTTP }, hosts: ["*"] }`;
  const view = gateway(servers, "", { UNPRIVILEGED_POD: "true" });
  assert.deepEqual(
    generateListeners(view).map(({ name }) => name),
    ["0.0.0.0_8080"],
  );
  assert.deepEqual(messages(view), ["an unprivileged gateway cannot listen on port 80"]);
});

test("a chain knows the server and the route that made it", () => {
  const view = gateway(
    `
    - { port: { number: 5432, name: tcp, protocol: TCP }, hosts: ["*"] }`,
    `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: db, namespace: default }
spec:
  hosts: ["*"]
  gateways: [gateway]
  tcp:
    - match: [{ port: 9999 }, { port: 5432 }]
      route: [{ destination: { host: db.example.com, port: { number: 5432 } } }]`,
  );
  const [chain] = chains(view);
  assert.ok(chain);
  const [route, server] = rulesBehind(chain);
  assert.equal(route?.object.kind, "VirtualService");
  assert.deepEqual(route?.keys, ["spec", "tcp", 0, "match", 1]);
  assert.deepEqual(route?.object.source?.positionOf(route.keys), { line: 18, column: 31 });
  assert.equal(server?.object.kind, "Gateway");
  assert.deepEqual(server?.keys, ["spec", "servers", 0]);
});

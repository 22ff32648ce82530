import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import {
  fakeScope,
  fakeServers,
  fakeService,
  fakeView,
} from "../../../../testkit/outbound-scope.ts";
import { gatewayRoutes } from "./gateway.ts";

const services = [fakeService("reviews", [9080])];

function gateway(servers: string, name = "edge"): string {
  return `---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ${name}, namespace: default}
spec: {selector: {app: edge}, servers: [${servers}]}
`;
}

const http = (hosts: string, rest = ""): string =>
  `{port: {number: 80, name: http, protocol: HTTP}, hosts: [${hosts}]${rest}}`;

function virtualService(name: string, hosts: string, rules: string, namespace = "default"): string {
  return `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: ${namespace}}
spec: {hosts: [${hosts}], gateways: [default/edge], http: [${rules}]}
`;
}

const all = (name: string): string => `{name: ${name}, directResponse: {status: 200}}`;
const prefix = (name: string, path: string): string =>
  `{name: ${name}, match: [{uri: {prefix: ${path}}}], directResponse: {status: 200}}`;

function routesOf(gateways: string, rules: string, name = "http.80"): RouteConfigurationJson {
  const scope = fakeScope({ services, yaml: rules, type: "router" });
  const view = fakeView(scope, { servers: fakeServers(gateways) });
  const routes = gatewayRoutes(name, view, {});
  assert(routes);
  return routes;
}

function hostsOf(routes: RouteConfigurationJson): readonly unknown[] {
  return (routes.virtualHosts ?? []).map(({ name, domains, routes: each }) => [
    name,
    domains,
    each?.map((route) => route.name),
  ]);
}

test("hosts of a rule are virtual hosts where the server has them", () => {
  const rules = virtualService("a", '"*.example.com", other.org', all("a"));
  assert.deepEqual(hostsOf(routesOf(gateway(http("www.example.com, api.example.com")), rules)), [
    ["api.example.com:80", ["api.example.com", "www.example.com"], ["a"]],
  ]);
});

test("without a rule every request is unknown", () => {
  assert.deepEqual(routesOf(gateway(http('"*"')), "").virtualHosts, [
    { name: "blackhole:80", domains: ["*"] },
  ]);
});

test("rules of one host are merged, what takes everything last", () => {
  const rules =
    virtualService("old", "a.com", `${prefix("old", "/old")}, ${all("old-rest")}`) +
    virtualService("new", "a.com", prefix("new", "/new"));
  assert.deepEqual(hostsOf(routesOf(gateway(http('"*"')), rules)), [
    ["a.com:80", ["a.com"], ["old", "new", "old-rest"]],
  ]);
});

test("a server's host may be one namespace's", () => {
  const rules =
    virtualService("mine", "a.com", all("mine")) +
    virtualService("theirs", "a.com", all("theirs"), "theirs");
  const routed = (host: string): unknown =>
    routesOf(gateway(http(`"${host}"`)), rules).virtualHosts?.[0]?.routes?.map(({ name }) => name);
  assert.deepEqual(routed("theirs/a.com"), ["theirs"]);
  assert.deepEqual(routed("./*"), ["mine"]);
  assert.deepEqual(routed("*/*"), ["mine", "theirs"]);
});

test("a server that redirects does so for its hosts, with a rule or without", () => {
  const servers = gateway(http("a.com, b.com", ", tls: {httpsRedirect: true}"));
  const rules = virtualService("a", "a.com", all("a"));
  assert.deepEqual(
    routesOf(servers, rules).virtualHosts?.map(({ name, requireTls, routes }) => [
      name,
      requireTls,
      routes?.length,
    ]),
    [
      ["a.com:80", "ALL", 1],
      ["b.com:80", "ALL", undefined],
    ],
  );
});

test("each HTTPS server has routes of its own, redirects know that it has TLS", () => {
  const https = (name: string, host: string): string =>
    `{port: {number: 443, name: ${name}, protocol: HTTPS}, hosts: [${host}], tls: {mode: SIMPLE, credentialName: c}}`;
  const servers = gateway(`${https("one", "a.com")}, ${https("two", "b.com")}`);
  const rules = virtualService(
    "r",
    "a.com, b.com",
    "{redirect: {uri: /x, derivePort: FROM_REQUEST_PORT}}",
  );
  const routes = routesOf(servers, rules, "https.443.one.edge.default");
  assert.deepEqual(
    routes.virtualHosts?.map(({ domains }) => domains),
    [["a.com"]],
  );
  assert.deepEqual(routes.virtualHosts?.[0]?.routes?.[0]?.redirect, { pathRedirect: "/x" });
});

test("servers of several gateways on one port share the routes", () => {
  const servers = gateway(http("a.com")) + gateway(http("b.com"), "second");
  const rules =
    virtualService("a", "a.com", all("a")) +
    virtualService("b", "b.com", all("b")).replace("default/edge", "default/second");
  assert.deepEqual(hostsOf(routesOf(servers, rules)), [
    ["a.com:80", ["a.com"], ["a"]],
    ["b.com:80", ["b.com"], ["b"]],
  ]);
});

test("routes that nobody serves are none", () => {
  const view = fakeView(fakeScope({ services, type: "router" }));
  assert.equal(gatewayRoutes("http.80", view, {}), undefined);
});

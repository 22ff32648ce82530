import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import { fakeScope, fakeService, type ScopeOptions } from "../../../../testkit/outbound-scope.ts";
import { rulesBehind } from "../../provenance.ts";
import { droppedDomains } from "./dropped-domains.ts";
import { SidecarRoutes } from "./sidecar.ts";

function virtualService(name: string, host: string, rest = ""): string {
  return `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: default}
spec: {hosts: [${host}], http: [{name: ${name}, ${rest}directResponse: {status: 200}}]}
`;
}

function routesOf(name: string, options: ScopeOptions): RouteConfigurationJson {
  const routes = new SidecarRoutes({ includeRequestAttemptCount: true }).routes(
    name,
    fakeScope(options),
  );
  assert(routes);
  return routes;
}

/** Each virtual host by name, with the names of its routes. */
function hostsOf(name: string, options: ScopeOptions): Readonly<Record<string, unknown>> {
  const { virtualHosts = [] } = routesOf(name, options);
  return Object.fromEntries(
    virtualHosts.map((host) => [host.name, host.routes?.map((route) => route.name)]),
  );
}

const reviews = fakeService("reviews", [9080]);
const ratings = fakeService("ratings", [9080, "TCP:9999"]);

test("a port has a virtual host for each service that has it, and one for the rest", () => {
  const details = fakeService("details", [80]);
  assert.deepEqual(hostsOf("9080", { services: [reviews, details, ratings] }), {
    "ratings.default.svc.cluster.local:9080": ["default"],
    "reviews.default.svc.cluster.local:9080": ["default"],
    allow_any: ["allow_any"],
  });
  const { virtualHosts, ...rest } = routesOf("9080", { services: [reviews] });
  assert.deepEqual(rest, {
    name: "9080",
    validateClusters: false,
    maxDirectResponseBodySizeBytes: 1048576,
    ignorePortInHostMatching: true,
  });
  assert.equal(
    virtualHosts?.every((host) => host.includeRequestAttemptCount),
    true,
  );
});

test("unknown hosts pass, unless only the registry's may be called", () => {
  const cluster = (options: Partial<ScopeOptions>): unknown =>
    routesOf("80", { services: [], ...options }).virtualHosts?.at(-1)?.routes?.[0];
  assert.deepEqual(cluster({}), {
    name: "allow_any",
    match: { prefix: "/" },
    route: { cluster: "PassthroughCluster", timeout: "0s", maxGrpcTimeout: "0s" },
  });
  const blocked = { name: "block_all", match: { prefix: "/" }, directResponse: { status: 502 } };
  assert.deepEqual(
    cluster({ mesh: { outboundTrafficPolicy: { mode: "REGISTRY_ONLY" } } }),
    blocked,
  );
  assert.deepEqual(cluster({ mesh: { outboundTrafficPolicy: {} } }), blocked);
});

test("a Sidecar's own policy goes before the mesh's, and may name a proxy for the rest", () => {
  const yaml = `apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: s, namespace: default}
spec:
  egress: [{hosts: ["*/*"]}]
  outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: out.example.com, port: {number: 3128}}}
`;
  const mesh = { outboundTrafficPolicy: {} };
  const last = routesOf("80", { services: [], yaml, mesh }).virtualHosts?.at(-1);
  assert(last);
  assert.equal(last.routes?.[0]?.route?.cluster, "outbound|3128||out.example.com");
  assert.deepEqual(rulesBehind(last)[0]?.keys, ["spec", "outboundTrafficPolicy"]);
});

test("the oldest VirtualService has a host, and what the others lose is known", () => {
  const yaml =
    virtualService("first", reviews.hostname) + virtualService("second", reviews.hostname);
  const options = { services: [reviews], yaml };
  assert.deepEqual(hostsOf("9080", options), {
    "reviews.default.svc.cluster.local:9080": ["first"],
    allow_any: ["allow_any"],
  });
  const [dropped, ...more] = droppedDomains(routesOf("9080", options));
  assert.deepEqual(more, []);
  assert.equal(dropped?.virtualHost, "reviews.default.svc.cluster.local:9080");
  assert.equal(dropped?.rules[0]?.object.metadata.name, "second");
});

test("a rule that does not apply to the caller leaves the host to the next", () => {
  const yaml =
    virtualService("first", reviews.hostname, "match: [{sourceLabels: {app: x}}], ") +
    virtualService("second", reviews.hostname);
  assert.deepEqual(hostsOf("9080", { services: [reviews], yaml })[`${reviews.hostname}:9080`], [
    "second",
  ]);
});

test("a wildcard host has the services that no narrower host has", () => {
  const yaml =
    virtualService("wide", '"*.svc.cluster.local"') +
    virtualService("narrow", '"*.prod.svc.cluster.local"') +
    virtualService("exact", reviews.hostname);
  const services = [reviews, ratings, fakeService("a.prod", [9080])];
  assert.deepEqual(hostsOf("9080", { services, yaml }), {
    "a.prod.svc.cluster.local:9080": ["narrow"],
    "ratings.default.svc.cluster.local:9080": ["wide"],
    "reviews.default.svc.cluster.local:9080": ["exact"],
    allow_any: ["allow_any"],
  });
});

test("a host that no service has is one of port 80", () => {
  const yaml = virtualService("outside", "www.example.com");
  assert.deepEqual(Object.keys(hostsOf("80", { services: [], yaml })), [
    "www.example.com:80",
    "allow_any",
  ]);
  assert.deepEqual(Object.keys(hostsOf("8080", { services: [], yaml })), ["allow_any"]);
});

test("beside a service's host, one that no service has is there on the service's port", () => {
  const yaml = virtualService("both", `[${reviews.hostname}, www.example.com]`)
    .replace("[[", "[")
    .replace("]]", "]");
  assert.deepEqual(hostsOf("9080", { services: [reviews], yaml }), {
    "reviews.default.svc.cluster.local:9080": ["both"],
    "www.example.com:9080": ["both"],
    allow_any: ["allow_any"],
  });
});

test("a rule for every host takes the place of the rest", () => {
  const yaml = virtualService("all", '"*"');
  assert.deepEqual(hostsOf("80", { services: [], yaml }), { "*:80": ["all"] });
});

test("a short name gives way to the service of that very name", () => {
  const clash = fakeService("reviews.default", [9080], {
    hostname: "reviews.default",
    registry: "External",
  });
  const { virtualHosts } = routesOf("9080", { services: [reviews, clash] });
  const owners = virtualHosts?.filter(({ domains }) => domains?.includes("reviews.default"));
  assert.deepEqual(
    owners?.map(({ name }) => name),
    ["reviews.default:9080"],
  );
});

test("a sniffed port has its one service, by whatever name it is called", () => {
  const auto = fakeService("auto", ["auto:7000"]);
  const routes = routesOf("auto.default.svc.cluster.local:7000", { services: [auto, reviews] });
  assert.deepEqual(
    routes.virtualHosts?.map(({ name, domains }) => ({ name, domains })),
    [{ name: "auto.default.svc.cluster.local:7000", domains: ["*"] }],
  );
});

test("through an HTTP proxy the port in the Host header chooses the service's port", () => {
  const two = fakeService("two", [80, 8080]);
  const yaml = virtualService("two", two.hostname);
  const routes = routesOf("http_proxy", { services: [two], yaml });
  assert.equal(routes.ignorePortInHostMatching, undefined);
  assert.deepEqual(
    routes.virtualHosts?.map(({ domains }) => domains?.filter((name) => /^two(?::|$)/.test(name))),
    [["two", "two:80"], ["two:8080"], []],
  );
});

test("an egress listener of a port knows its own hosts only", () => {
  const egress = [
    {
      listener: { port: { number: 9080, protocol: "HTTP" } },
      services: [ratings],
      virtualServices: [],
    },
    { listener: undefined, services: [reviews, ratings], virtualServices: [] },
  ];
  assert.deepEqual(Object.keys(hostsOf("9080", { services: [reviews, ratings], egress })), [
    "ratings.default.svc.cluster.local:9080",
    "allow_any",
  ]);
});

test("an egress listener on a Unix socket is asked for by its address", () => {
  const bind = "unix:///var/run/out.sock";
  const egress = [
    { listener: { bind, port: { protocol: "HTTP" } }, services: [ratings], virtualServices: [] },
  ];
  const options = { services: [ratings], egress };
  assert.deepEqual(Object.keys(hostsOf(bind, options)), [
    "ratings.default.svc.cluster.local:9080",
    "allow_any",
  ]);
  const routes = new SidecarRoutes({});
  assert.equal(routes.routes("unix:///other", fakeScope(options)), undefined);
  assert.equal(routes.routes("9080", fakeScope(options)), undefined);
});

test("a default route retries, waits without end and hashes what the service's rule says", () => {
  const yaml = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec: {host: ${reviews.hostname}, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}}
`;
  const [host] = routesOf("9080", { services: [reviews], yaml }).virtualHosts ?? [];
  const [route] = host?.routes ?? [];
  assert.equal(route?.decorator?.operation, `${reviews.hostname}:9080/*`);
  assert.equal(route?.route?.cluster, `outbound|9080||${reviews.hostname}`);
  assert.equal(route?.route?.timeout, "0s");
  assert.equal(route?.route?.retryPolicy?.numRetries, 2);
  assert.deepEqual(route?.route?.hashPolicy, [{ connectionProperties: { sourceIp: true } }]);
});

test("an alias is a name of its service, and no host of its own", () => {
  const alias = fakeService("old", [9080], {
    resolution: "alias",
    externalName: reviews.hostname,
  });
  const { virtualHosts } = routesOf("9080", { services: [alias, reviews] });
  assert.deepEqual(
    virtualHosts?.filter(({ domains }) => domains?.includes("old")).map(({ name }) => name),
    ["reviews.default.svc.cluster.local:9080"],
  );
});

test("a virtual host says which host of which rule it is", () => {
  const yaml = virtualService("first", reviews.hostname);
  const [host] = routesOf("9080", { services: [reviews], yaml }).virtualHosts ?? [];
  assert(host);
  assert.deepEqual(
    rulesBehind(host).map(({ keys }) => keys),
    [["spec", "hosts", 0]],
  );
});

import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import { fakeScope, fakeService } from "../../../../testkit/outbound-scope.ts";
import { rulesBehind } from "../../provenance.ts";
import type { OutboundScope } from "../../view.ts";
import { virtualServiceRoutes } from "./route.ts";

const host = "reviews.default.svc.cluster.local";
const services = [
  fakeService("reviews", [9080]),
  fakeService("ratings", [9080, 9090]),
  fakeService("alias", [9080], { resolution: "alias", externalName: host }),
];
const to = (subset: string): string => `{destination: {host: ${host}, subset: ${subset}}}`;
const route = `route: [{destination: {host: ${host}}}]`;

interface Options extends Partial<OutboundScope> {
  readonly destinationRules?: string;
  readonly gateway?: string;
  readonly listenerPort?: number;
  readonly tls?: boolean;
}

/** The routes of a VirtualService `reviews` with these rules, each a flow mapping's inside. */
function routesOf(rules: readonly string[], options: Options = {}): readonly RouteJson[] {
  const { destinationRules = "", gateway = "mesh", listenerPort = 9080, tls = false } = options;
  const yaml = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec: {hosts: [${host}], gateways: [${gateway}], http: [${rules.map((each) => `{${each}}`).join(", ")}]}
---
${destinationRules}`;
  const scope = fakeScope({ services, yaml, ...options });
  const [rule] = scope.virtualServices(gateway);
  assert(rule);
  return virtualServiceRoutes(rule, { scope, listenerPort, gateway, tls });
}

function only(rule: string, options?: Options): RouteJson {
  const [first, second] = routesOf([rule], options);
  assert(first);
  assert.equal(second, undefined);
  return first;
}

const matchOf = (match: string): RouteJson["match"] => only(`match: [{${match}}], ${route}`).match;
const actionOf = (rest: string): RouteJson["route"] => only(`${route}, ${rest}`).route;

test("a rule without a match takes everything, and nothing after it is sent", () => {
  const routes = routesOf([`name: all, ${route}`, `name: never, ${route}`]);
  assert.deepEqual(
    routes.map(({ name, match }) => ({ name, match })),
    [{ name: "all", match: { prefix: "/" } }],
  );
});

test("each match of a rule is a route, and both names are its name", () => {
  const rule = `name: rule, match: [{name: one, uri: {prefix: /a}}, {uri: {prefix: /b}}], ${route}`;
  assert.deepEqual(
    routesOf([rule]).map(({ name }) => name),
    ["rule.one", "rule"],
  );
});

test("a route says which rule it is", () => {
  const [first, second] = routesOf([`match: [{uri: {prefix: /a}}, {uri: {prefix: /b}}], ${route}`]);
  assert(first && second);
  assert.deepEqual(
    rulesBehind(second).map(({ keys }) => keys),
    [["spec", "http", 0, "match", 1]],
  );
  const config = "/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews";
  assert.deepEqual(first.metadata, { filterMetadata: { istio: { config } } });
});

test("paths match exactly, by prefix or by expression, and in any case if asked", () => {
  assert.deepEqual(matchOf("uri: {exact: /a}"), { path: "/a", caseSensitive: true });
  assert.deepEqual(matchOf("uri: {prefix: /a}, ignoreUriCase: true"), {
    prefix: "/a",
    caseSensitive: false,
  });
  assert.deepEqual(matchOf("uri: {regex: '/a.*'}"), {
    safeRegex: { regex: "/a.*" },
    caseSensitive: true,
  });
});

test("headers match by name, then method, authority and scheme", () => {
  const match = matchOf(
    "scheme: {exact: http}, method: {exact: GET}, authority: {prefix: a}, " +
      "headers: {x-b: {regex: 'b+'}, x-a: {exact: a}, x-present: {}, x-star: {regex: '*'}, uri: {exact: ignored}}",
  );
  assert.deepEqual(match?.headers, [
    { name: "x-a", stringMatch: { exact: "a" } },
    { name: "x-b", stringMatch: { safeRegex: { regex: "b+" } } },
    { name: "x-present", presentMatch: true },
    { name: "x-star", presentMatch: true },
    { name: ":method", stringMatch: { exact: "GET" } },
    { name: ":authority", stringMatch: { prefix: "a" } },
    { name: ":scheme", stringMatch: { exact: "http" } },
  ]);
});

test("a header that must not be there may be absent", () => {
  assert.deepEqual(matchOf("withoutHeaders: {x-a: {exact: a}, x-b: {}}")?.headers, [
    {
      name: "x-a",
      stringMatch: { exact: "a" },
      invertMatch: true,
      treatMissingHeaderAsEmpty: true,
    },
    { name: "x-b", presentMatch: true, invertMatch: true },
  ]);
});

test("query parameters match by value or presence", () => {
  assert.deepEqual(matchOf("queryParams: {b: {}, a: {prefix: x}}")?.queryParameters, [
    { name: "a", stringMatch: { prefix: "x" } },
    { name: "b", presentMatch: true },
  ]);
});

test("claims of a JWT match in its metadata, as a string or in a list", () => {
  const claims = (match: string): unknown => matchOf(match)?.dynamicMetadata;
  const value = { stringMatch: { exact: "admins" } };
  const matcher = {
    filter: "envoy.filters.http.jwt_authn",
    path: [{ key: "payload" }, { key: "group" }, { key: "id" }],
    value: { orMatch: { valueMatchers: [value, { listMatch: { oneOf: value } }] } },
  };
  assert.deepEqual(claims("headers: {'@request.auth.claims.group.id': {exact: admins}}"), [
    matcher,
  ]);
  assert.deepEqual(claims("withoutHeaders: {'@request.auth.claims[group][id]': {exact: admins}}"), [
    { ...matcher, invert: true },
  ]);
});

test("what is known of the caller is decided before it calls", () => {
  const names = (match: string, options: Options = {}): number =>
    routesOf([`match: [{uri: {prefix: /a}, ${match}}], ${route}`], options).length;
  assert.equal(names("port: 9080"), 1);
  assert.equal(names("port: 9081"), 0);
  assert.equal(names("sourceLabels: {app: web}", { labels: { app: "web", tier: "1" } }), 1);
  assert.equal(names("sourceLabels: {app: web}"), 0);
  assert.equal(names("sourceNamespace: default"), 1);
  assert.equal(names("sourceNamespace: other"), 0);
  assert.equal(names("gateways: [default/edge]"), 0);
  assert.equal(names("gateways: [default/edge]", { gateway: "default/edge" }), 1);
  // Istio looks at labels only where no gateways are named.
  assert.equal(names("gateways: [mesh], sourceLabels: {app: web}"), 1);
});

test("one destination is a cluster, whatever its weight", () => {
  const { cluster } =
    only(`route: [{destination: {host: ${host}, subset: v1}, weight: 5}]`).route ?? {};
  assert.equal(cluster, `outbound|9080|v1|${host}`);
});

test("several destinations share by weight; those without weight get nothing", () => {
  const [v1, v2, v3] = ["v1", "v2", "v3"].map((subset) => to(subset).slice(0, -1));
  const action = only(`route: [${v1}, weight: 90}, ${v2}, weight: 10}, ${v3}}]`).route;
  assert.deepEqual(action?.weightedClusters, {
    clusters: [
      { name: `outbound|9080|v1|${host}`, weight: 90 },
      { name: `outbound|9080|v2|${host}`, weight: 10 },
    ],
  });
  assert.deepEqual(routesOf([`route: [${v1}}, ${v2}}]`]), []);
});

test("a destination's port is its own, its service's only one, or the one that was called", () => {
  const cluster = (destination: string): string | undefined =>
    only(`route: [{destination: {${destination}}}]`, { listenerPort: 80 }).route?.cluster;
  const ratings = "ratings.default.svc.cluster.local";
  assert.equal(cluster(`host: ${ratings}, port: {number: 9090}`), `outbound|9090||${ratings}`);
  assert.equal(cluster(`host: ${host}`), `outbound|9080||${host}`);
  assert.equal(cluster(`host: ${ratings}`), `outbound|80||${ratings}`);
  assert.equal(cluster("host: unknown.example.com"), "outbound|80||unknown.example.com");
  assert.equal(cluster("host: alias.default.svc.cluster.local"), `outbound|9080||${host}`);
});

test("traces call a route by its destination, or by the rule if it has several", () => {
  const operation = (rule: string): string | undefined => only(rule).decorator?.operation;
  assert.equal(operation(`match: [{uri: {prefix: /a}}], ${route}`), `${host}:9080/a*`);
  assert.equal(operation(`match: [{uri: {exact: /a}}], ${route}`), `${host}:9080/a`);
  assert.equal(operation("directResponse: {status: 200}"), "reviews:9080/*");
});

test("headers are set, added and removed; the authority is rewritten", () => {
  const rule = only(
    `${route}, headers: {request: {set: {x-b: b, x-a: a, ':authority': new.example.com, ':path': /no}, add: {x-c: c}, ` +
      "remove: [x-d, ':method']}, response: {set: {x-e: e}, remove: [x-f]}}",
  );
  const appendAction = "OVERWRITE_IF_EXISTS_OR_ADD";
  assert.deepEqual(rule.requestHeadersToAdd, [
    { header: { key: "x-a", value: "a" }, appendAction },
    { header: { key: "x-b", value: "b" }, appendAction },
    { header: { key: "x-c", value: "c" } },
  ]);
  assert.deepEqual(rule.requestHeadersToRemove, ["x-d"]);
  assert.deepEqual(rule.responseHeadersToAdd, [
    { header: { key: "x-e", value: "e" }, appendAction },
  ]);
  assert.deepEqual(rule.responseHeadersToRemove, ["x-f"]);
  assert.equal(rule.route?.hostRewriteLiteral, "new.example.com");
});

test("one destination's headers are the route's; of several, each keeps its own", () => {
  const headers = "headers: {request: {set: {host: b.example.com}, remove: [x-b]}}";
  const first = `{destination: {host: ${host}}, weight: 1, ${headers}}`;
  const single = only(`route: [${first}], headers: {request: {remove: [x-a]}}`);
  assert.deepEqual(single.requestHeadersToRemove, ["x-a", "x-b"]);
  assert.equal(single.route?.hostRewriteLiteral, "b.example.com");
  const double = only(`route: [${first}, {destination: {host: ${host}, subset: v2}, weight: 1}]`);
  assert.deepEqual(double.route?.weightedClusters?.clusters?.[0], {
    name: `outbound|9080||${host}`,
    weight: 1,
    requestHeadersToRemove: ["x-b"],
    hostRewriteLiteral: "b.example.com",
  });
  assert.equal(double.requestHeadersToRemove, undefined);
});

test("a rewrite changes the prefix, by expression what it matches, and the authority before headers do", () => {
  assert.equal(actionOf("rewrite: {uri: /new}")?.prefixRewrite, "/new");
  assert.deepEqual(
    actionOf("rewrite: {uriRegexRewrite: {match: '/a/(.*)', rewrite: '/\\1'}}")?.regexRewrite,
    {
      pattern: { regex: "/a/(.*)" },
      substitution: "/\\1",
    },
  );
  const both = actionOf("rewrite: {authority: a.com}, headers: {request: {set: {host: b.com}}}");
  assert.equal(both?.hostRewriteLiteral, "a.com");
});

test("there is no timeout unless a rule asks for one, which gRPC calls cannot exceed", () => {
  assert.deepEqual(
    [actionOf("name: a")?.timeout, actionOf("name: a")?.maxGrpcTimeout],
    ["0s", "0s"],
  );
  const action = actionOf("timeout: 3s");
  assert.deepEqual([action?.timeout, action?.maxGrpcTimeout], ["3s", "3s"]);
});

test("mirrors copy all requests, or the part that a rule says", () => {
  const mirrored = (mirror: string): unknown =>
    actionOf(mirror)?.requestMirrorPolicies?.map(({ cluster, runtimeFraction, traceSampled }) => [
      cluster?.split("|")[2],
      runtimeFraction?.defaultValue,
      traceSampled,
    ]);
  const copy = `{host: ${host}, subset: copy}`;
  assert.deepEqual(mirrored(`mirror: ${copy}`), [["copy", { numerator: 100 }, false]]);
  assert.deepEqual(mirrored(`mirror: ${copy}, mirrorPercentage: {value: 12.5}`), [
    ["copy", { numerator: 125000, denominator: "MILLION" }, false],
  ]);
  assert.deepEqual(mirrored(`mirror: ${copy}, mirrorPercent: 50`), [
    ["copy", { numerator: 50 }, false],
  ]);
  assert.equal(mirrored(`mirror: ${copy}, mirrorPercentage: {value: 0}`), undefined);
  assert.deepEqual(
    mirrored(
      `mirrors: [{destination: ${copy}, percentage: {value: 1}}, {destination: {host: ${host}, subset: b}}]`,
    ),
    [
      ["copy", { numerator: 10000, denominator: "MILLION" }, false],
      ["b", { numerator: 100 }, false],
    ],
  );
});

test("a redirect names what it changes", () => {
  const redirect = (fields: string, options: Options = {}): unknown =>
    only(`redirect: {${fields}}`, options).redirect;
  assert.deepEqual(redirect("uri: /a, authority: b.com"), {
    hostRedirect: "b.com",
    pathRedirect: "/a",
  });
  assert.deepEqual(redirect("prefixRewrite: /b, redirectCode: 308"), {
    prefixRewrite: "/b",
    responseCode: "PERMANENT_REDIRECT",
  });
  assert.deepEqual(redirect("uri: /, scheme: https, port: 8443, redirectCode: 302"), {
    pathRedirect: "/",
    schemeRedirect: "https",
    portRedirect: 8443,
    responseCode: "FOUND",
  });
});

test("a redirect leaves out the port that its scheme has anyway", () => {
  const port = (fields: string, options: Options): number | undefined =>
    only(`redirect: {uri: /, ${fields}}`, options).redirect?.portRedirect;
  assert.equal(port("derivePort: FROM_REQUEST_PORT", { listenerPort: 8080 }), 8080);
  assert.equal(port("derivePort: FROM_REQUEST_PORT", { listenerPort: 80 }), undefined);
  assert.equal(port("derivePort: FROM_REQUEST_PORT", { listenerPort: 443, tls: true }), undefined);
  assert.equal(port("port: 443", {}), 443);
  assert.equal(port("port: 443, scheme: https", {}), undefined);
  assert.equal(port("derivePort: FROM_PROTOCOL_DEFAULT", { listenerPort: 8080 }), undefined);
});

test("a direct response has a status, and a body of text or bytes", () => {
  const response = (fields: string): unknown => only(`directResponse: {${fields}}`).directResponse;
  assert.deepEqual(response("status: 503"), { status: 503 });
  assert.deepEqual(response("status: 200, body: {string: hello}"), {
    status: 200,
    body: { inlineString: "hello" },
  });
  assert.deepEqual(response("status: 200, body: {bytes: aGVsbG8=}"), {
    status: 200,
    body: { inlineBytes: "aGVsbG8=" },
  });
});

function filterOf(rule: string, name: string): unknown {
  const { typedPerFilterConfig = {} } = only(`${route}, ${rule}`);
  const { "@type": _, ...config } = typedPerFilterConfig[`envoy.filters.http.${name}`] ?? {};
  return config;
}

test("faults are counted in millionths; an abort without a percentage never happens", () => {
  const million = (numerator: number): object => ({ numerator, denominator: "MILLION" });
  assert.deepEqual(
    filterOf(
      "fault: {delay: {fixedDelay: 7s, percentage: {value: 0.1}}, abort: {httpStatus: 503, percentage: {value: 33.3}}}",
      "fault",
    ),
    {
      delay: { fixedDelay: "7s", percentage: million(1000) },
      abort: { httpStatus: 503, percentage: million(333000) },
    },
  );
  assert.deepEqual(filterOf("fault: {abort: {grpcStatus: UNAVAILABLE}}", "fault"), {
    abort: { grpcStatus: 14 },
  });
  assert.deepEqual(filterOf("fault: {delay: {fixedDelay: 1s, percent: 50}}", "fault"), {
    delay: { fixedDelay: "1s", percentage: { numerator: 50 } },
  });
});

test("CORS names origins, methods and headers, and forwards preflights of others", () => {
  assert.deepEqual(
    filterOf(
      "corsPolicy: {allowOrigins: [{exact: 'https://a.com'}, {regex: '.*'}], allowMethods: [GET, POST], allowHeaders: [x-a], " +
        "exposeHeaders: [x-b], maxAge: 24h, allowCredentials: true}",
      "cors",
    ),
    {
      allowOriginStringMatch: [{ exact: "https://a.com" }, { safeRegex: { regex: ".*" } }],
      allowMethods: "GET,POST",
      allowHeaders: "x-a",
      exposeHeaders: "x-b",
      maxAge: "86400",
      allowCredentials: true,
      filterEnabled: { defaultValue: { numerator: 100 } },
      forwardNotMatchingPreflights: true,
    },
  );
  assert.deepEqual(
    filterOf("corsPolicy: {allowOrigin: [a], unmatchedPreflights: IGNORE}", "cors"),
    {
      allowOriginStringMatch: [{ exact: "a" }],
      filterEnabled: { defaultValue: { numerator: 100 } },
      forwardNotMatchingPreflights: false,
    },
  );
});

const hashing = (policy: string, rest = ""): Options => ({
  destinationRules: `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec: {host: ${host}, trafficPolicy: {loadBalancer: {consistentHash: ${policy}}}${rest}}
`,
});

test("a route hashes what its destination's rule says", () => {
  const hashed = (policy: string): unknown => only(route, hashing(policy)).route?.hashPolicy;
  assert.deepEqual(hashed("{httpHeaderName: x-user}"), [{ header: { headerName: "x-user" } }]);
  assert.deepEqual(hashed("{httpQueryParameterName: u}"), [{ queryParameter: { name: "u" } }]);
  assert.deepEqual(hashed("{useSourceIp: true}"), [{ connectionProperties: { sourceIp: true } }]);
  assert.deepEqual(
    hashed(
      "{httpCookie: {name: u, path: /, ttl: 60s, attributes: [{name: SameSite, value: Lax}]}}",
    ),
    [
      {
        cookie: {
          name: "u",
          path: "/",
          ttl: "60s",
          attributes: [{ name: "SameSite", value: "Lax" }],
        },
      },
    ],
  );
  assert.equal(hashed("{maglev: {tableSize: 101}}"), undefined);
});

test("the policy of the subset and the port goes before the host's", () => {
  const rest = `, subsets: [
    {name: v1, labels: {version: v1}, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-v1}}, portLevelSettings: [
      {port: {number: 9080}, loadBalancer: {consistentHash: {httpHeaderName: x-port}}}]}}]`;
  const header = (destination: string): unknown =>
    only(
      `route: [{destination: {host: ${host}${destination}}}]`,
      hashing("{httpHeaderName: x}", rest),
    ).route?.hashPolicy?.[0]?.header?.headerName;
  assert.equal(header(""), "x");
  assert.equal(header(", subset: v2"), "x");
  assert.equal(header(", subset: v1"), "x-v1");
  assert.equal(header(", subset: v1, port: {number: 9080}"), "x-port");
});

test("a hashed destination is retried on the same host", () => {
  const retried = only(route, hashing("{httpHeaderName: x-user}")).route?.retryPolicy;
  assert.equal(retried?.retryHostPredicate, undefined);
  assert.equal(retried?.numRetries, 2);
});

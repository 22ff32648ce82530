/** What becomes of calls to a gateway (cases: Istio's own simulation tests). */
import { callsTest, gatewayNode } from "./calls.ts";

interface GatewayText {
  readonly name?: string;
  readonly namespace?: string;
  readonly servers: string;
}

const gateway = ({ name = "gateway", namespace = "default", servers }: GatewayText): string => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: ${name}, namespace: ${namespace} }
spec: { selector: { istio: ingressgateway }, servers: [${servers}] }`;

const httpServer = (hosts: string, more = "", port = 80): string =>
  `{ port: { number: ${port}, name: http, protocol: HTTP }, hosts: [${hosts}]${more} }`;
const tcpServer = '{ port: { number: 80, name: tcp, protocol: TCP }, hosts: ["foo.bar"] }';
const redirect = ", tls: { httpsRedirect: true }";

const route = (name: string, host: string, rest: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: default }
spec:
  hosts: ["${host}"]
  gateways: [gateway]
  ${rest}`;

const toService = (name: string, host: string, port = ""): string =>
  route(
    name,
    host,
    `http: [{ match: [{ uri: { prefix: / } }], route: [{ destination: { host: ${name}${port} } }] }]`,
  );

const yaml = (...documents: readonly string[]): string => documents.join("\n---");
const http = (hostHeader: string, more: Readonly<Record<string, unknown>> = {}): object => ({
  ...{ callMode: "gateway", address: "1.1.1.1", port: 80, protocol: "http", hostHeader },
  ...more,
});

callsTest({
  name: "a gateway without rules has a listener and no routes",
  node: gatewayNode,
  yaml: gateway({ servers: httpServer("foo.bar") }),
  calls: [
    {
      call: { ...http("foo.bar") },
      result: {
        error: "NoRoute",
        listenerMatched: "0.0.0.0_80",
        routeConfigMatched: "http.80",
        virtualHostMatched: "blackhole:80",
      },
    },
    { call: { ...http("foo.bar", { port: 81 }) }, result: { error: "NoListener" } },
  ],
});

callsTest({
  name: "a rule for all hosts serves those of the server",
  node: gatewayNode,
  yaml: yaml(
    gateway({ servers: httpServer("foo.bar") }),
    route(
      "bookinfo",
      "*",
      "http: [{ match: [{ uri: { exact: /productpage } }], route: [{ destination: { host: productpage, port: { number: 9080 } } }] }]",
    ),
  ),
  calls: [
    {
      call: { ...http("foo.bar") },
      result: { error: "NoRoute", virtualHostMatched: "foo.bar:80" },
    },
    {
      call: { ...http("bad.bar") },
      result: {
        error: "NoVirtualHost",
        routeConfigMatched: "http.80",
        virtualHostMatched: null,
      },
    },
    {
      call: { ...http("foo.bar", { path: "/productpage" }) },
      result: {
        listenerMatched: "0.0.0.0_80",
        virtualHostMatched: "foo.bar:80",
        clusterMatched: "outbound|9080||productpage.default.svc.cluster.local",
        error: null,
      },
    },
  ],
});

callsTest({
  name: "rules of several hosts share a server",
  node: gatewayNode,
  yaml: yaml(
    gateway({ servers: httpServer('"*.example.com"') }),
    toService("a", "a.example.com", ", port: { number: 80 }"),
    toService("b", "b.example.com", ", port: { number: 80 }"),
  ),
  calls: [
    {
      call: { ...http("a.example.com") },
      result: { clusterMatched: "outbound|80||a.default.svc.cluster.local" },
    },
    {
      call: { ...http("b.example.com") },
      result: { clusterMatched: "outbound|80||b.default.svc.cluster.local" },
    },
    { call: { ...http("c.example.com") }, result: { error: "NoVirtualHost" } },
  ],
});

const redirected = {
  error: "TLSRedirect",
  listenerMatched: "0.0.0.0_80",
  virtualHostMatched: "example.com:80",
  routeConfigMatched: "http.80",
} as const;

for (const [name, documents] of [
  ["without rules", [gateway({ servers: httpServer("example.com", redirect) })]],
  [
    "with rules",
    [gateway({ servers: httpServer("example.com", redirect) }), toService("b", "example.com")],
  ],
  [
    "on one of two gateways",
    [
      gateway({ servers: httpServer("example.com", redirect) }),
      gateway({ name: "gateway2", servers: httpServer("example.com") }),
      toService("b", "example.com"),
    ],
  ],
] as const) {
  callsTest({
    name: `httpsRedirect ${name}`,
    node: gatewayNode,
    yaml: yaml(...documents),
    calls: [{ call: { ...http("example.com") }, result: redirected }],
  });
}

callsTest({
  name: "httpsRedirect means nothing on a port with TLS",
  node: gatewayNode,
  yaml: yaml(
    gateway({
      servers:
        "{ port: { number: 443, name: https, protocol: HTTPS }, hosts: [example.com], tls: { httpsRedirect: true, mode: SIMPLE, credentialName: test } }",
    }),
    toService("b", "example.com"),
  ),
  calls: [
    {
      call: { ...http("example.com", { port: 443, tls: "tls" }) },
      result: {
        listenerMatched: "0.0.0.0_443",
        virtualHostMatched: "example.com:443",
        routeConfigMatched: "https.443.https.gateway.default",
        clusterMatched: "outbound|443||b.default.svc.cluster.local",
        error: null,
      },
    },
  ],
});

const tcpRule = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: bookinfo, namespace: default }
spec:
  hosts: ["*"]
  gateways: [istio-system/gateway]
  tcp: [{ route: [{ destination: { host: productpage, port: { number: 9080 } } }] }]`;

callsTest({
  name: "of two TCP servers on a port the older one has it",
  node: gatewayNode,
  yaml: yaml(
    gateway({ namespace: "istio-system", servers: tcpServer }),
    gateway({ namespace: "zeta", servers: tcpServer }),
    tcpRule,
  ),
  calls: [
    {
      call: { ...http(""), protocol: "tcp" },
      result: {
        listenerMatched: "0.0.0.0_80",
        clusterMatched: "outbound|9080||productpage.default.svc.cluster.local",
      },
    },
  ],
});

callsTest({
  name: "of two rules for one server name the older one has it",
  node: gatewayNode,
  yaml: yaml(
    gateway({
      namespace: "istio-system",
      servers:
        "{ port: { number: 443, name: https, protocol: HTTPS }, hosts: ['*.example.com'], tls: { mode: PASSTHROUGH } }",
    }),
    ...["vs1", "vs2"].map(
      (name) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: default }
spec:
  gateways: [istio-system/gateway]
  hosts: [mysite.example.com]
  tls:
    - match: [{ port: 443, sniHosts: [mysite.example.com] }]
      route: [{ destination: { host: mysite.default.svc.cluster.local, port: { number: 443 } } }]`,
    ),
  ),
  calls: [
    {
      call: { ...http("mysite.example.com", { port: 443, tls: "tls" }) },
      result: {
        listenerMatched: "0.0.0.0_443",
        clusterMatched: "outbound|443||mysite.default.svc.cluster.local",
        error: null,
      },
    },
  ],
});

callsTest({
  name: "TCP first: the port is no HTTP port, and nobody routes its connections",
  node: gatewayNode,
  yaml: yaml(
    gateway({ name: "alpha", servers: tcpServer }),
    gateway({ name: "beta", servers: httpServer("foo.bar") }),
  ),
  calls: [{ call: { ...http(""), protocol: "tcp" }, result: { error: "NoListener" } }],
});

callsTest({
  name: "HTTP first: the port is an HTTP port",
  node: gatewayNode,
  yaml: yaml(
    gateway({ name: "alpha", servers: httpServer("foo.bar") }),
    gateway({ name: "beta", servers: tcpServer }),
  ),
  calls: [
    {
      call: { ...http("foo.bar") },
      result: { error: "NoRoute", virtualHostMatched: "blackhole:80" },
    },
  ],
});

callsTest({
  name: "two namespaces share a wildcard host, each with its own rules",
  node: gatewayNode,
  yaml: yaml(
    ...["1", "2"].flatMap((n) => [
      gateway({ name: `gateway-${n}`, servers: httpServer(`ns-${n}/*.example.com`) }),
      `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: default, namespace: ns-${n} }
spec:
  hosts: [ns-${n}.example.com]
  gateways: [default/gateway-${n}]
  http: [{ route: [{ destination: { host: echo } }] }]`,
    ]),
  ),
  calls: ["1", "2"].map((n) => ({
    call: { ...http(`ns-${n}.example.com`) },
    result: {
      routeConfigMatched: "http.80",
      clusterMatched: `outbound|80||echo.ns-${n}.svc.cluster.local`,
    },
  })),
});

const frontService = (name: string, host: string, targetPort: number, labels: string): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, namespace: istio-system, labels: { ${labels} } }
spec:
  hosts: [${host}]
  ports: [{ number: 80, targetPort: ${targetPort}, name: http, protocol: HTTP }]
  resolution: STATIC
  location: MESH_INTERNAL
  endpoints: [{ address: 1.1.1.1, labels: { istio: ingressgateway } }]`;

callsTest({
  name: "a gateway listens where the Service before it sends its connections",
  node: { ...gatewayNode, ipAddresses: ["1.1.1.1"] },
  yaml: yaml(
    gateway({ name: "gateway80", servers: httpServer("example.com") }),
    gateway({ name: "gateway8081", servers: httpServer("example.com", "", 8081) }),
    frontService(
      "service-instance",
      "a.example.com",
      8081,
      'experimental.istio.io/disable-gateway-port-translation: "true"',
    ),
    frontService("service-instance-2", "b.example.com", 8080, ""),
    ...[
      ["a", 80],
      ["b", 8081],
    ].map(
      ([name, port]) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: default }
spec:
  hosts: [example.com]
  gateways: [gateway80, gateway8081]
  http: [{ match: [{ uri: { prefix: / } }], route: [{ destination: { host: ${name}, port: { number: ${port} } } }] }]`,
    ),
  ),
  calls: [
    {
      call: { ...http("example.com", { port: 8080 }) },
      result: {
        listenerMatched: "0.0.0.0_8080",
        clusterMatched: "outbound|80||a.default.svc.cluster.local",
        routeConfigMatched: "http.8080",
        virtualHostMatched: "example.com:80",
      },
    },
    {
      call: { ...http("example.com", { port: 8081 }) },
      result: {
        listenerMatched: "0.0.0.0_8081",
        clusterMatched: "outbound|80||a.default.svc.cluster.local",
        routeConfigMatched: "http.8081",
        virtualHostMatched: "example.com:8081",
      },
    },
  ],
});

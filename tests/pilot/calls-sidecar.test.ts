/** What becomes of calls by and to a sidecar, protocol by protocol (cases: Istio's own simulation tests). */
import { callsTest, type Expectation } from "./calls.ts";

const inboundServices = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: se }
spec:
  hosts: [foo.bar]
  endpoints: [{ address: 1.1.1.1 }]
  location: MESH_INTERNAL
  resolution: STATIC
  ports:
    - { name: tcp, number: 70, protocol: TCP }
    - { name: http, number: 80, protocol: HTTP }
    - { name: auto, number: 81 }`;

const inbound = (
  port: number,
  protocol: string,
  tls: string,
  result: Expectation["result"],
): Expectation => ({
  call: { port, protocol, tls, address: "1.2.3.4", callMode: "inbound" },
  result,
});

const sniffed = { virtualHostMatched: "inbound|http|81", clusterMatched: "inbound|81||" } as const;
const opaque = {
  listenerMatched: "virtualInbound",
  filterChainMatched: "0.0.0.0_81",
  virtualHostMatched: null,
  clusterMatched: "inbound|81||",
} as const;
const unknown = {
  clusterMatched: "InboundPassthroughCluster",
  filterChainMatched: "virtualInbound",
} as const;

callsTest({
  name: "inbound, without mutual TLS",
  yaml: inboundServices,
  calls: [
    ...["tcp", "http"].flatMap((protocol) =>
      ["plaintext", "tls", "mtls"].map((tls) =>
        inbound(70, protocol, tls, { clusterMatched: "inbound|70||", error: null }),
      ),
    ),
    inbound(80, "http", "plaintext", {
      virtualHostMatched: "inbound|http|80",
      clusterMatched: "inbound|80||",
    }),
    inbound(80, "tcp", "tls", { error: "ProtocolError" }),
    inbound(80, "http", "tls", { error: "ProtocolError" }),
    inbound(80, "http", "mtls", { error: "ProtocolError" }),
    inbound(80, "tcp", "plaintext", { error: "ProtocolError" }),
    inbound(81, "http", "plaintext", sniffed),
    inbound(81, "http2", "plaintext", sniffed),
    inbound(81, "tcp", "plaintext", opaque),
    inbound(81, "tcp", "tls", opaque),
    inbound(81, "http", "tls", opaque),
    inbound(81, "http", "mtls", opaque),
    inbound(82, "http", "plaintext", {
      ...unknown,
      filterChainMatched: "virtualInbound-catchall-http",
    }),
    inbound(82, "tcp", "plaintext", unknown),
    inbound(82, "tcp", "tls", unknown),
    inbound(82, "http", "tls", unknown),
  ],
});

callsTest({
  name: "nobody reaches the proxy's own ports",
  yaml: inboundServices,
  calls: [
    { call: { port: 15001, protocol: "tcp" }, result: { clusterMatched: "BlackHoleCluster" } },
    { call: { port: 15006, protocol: "tcp" }, result: { clusterMatched: "BlackHoleCluster" } },
  ],
});

const protocolPorts = [
  "{ name: http, port: 80 }",
  "{ name: auto, port: 81 }",
  "{ name: tcp, port: 82 }",
  "{ name: tls, port: 83 }",
  "{ name: https, port: 84 }",
].join(", ");

/** To 1.2.3.4 as each port's protocol allows. */
function toEachPort(long: string, short: string, cluster: string): readonly Expectation[] {
  const calls = [
    { port: 80, protocol: "http", hostHeader: long },
    { port: 81, protocol: "http", hostHeader: long },
    { port: 81, protocol: "http", tls: "tls", hostHeader: long },
    { port: 81, protocol: "tcp" },
    { port: 82, protocol: "tcp" },
    { port: 83, protocol: "tcp", tls: "tls", hostHeader: short },
    { port: 84, protocol: "http", tls: "tls", hostHeader: short },
  ];
  return calls.map((call) => ({
    call: { address: "1.2.3.4", ...call },
    result: { clusterMatched: `outbound|${call.port}||${cluster}`, error: null },
  }));
}

callsTest({
  name: "a headless service by its endpoint's address",
  yaml: `
apiVersion: v1
kind: Service
metadata: { name: headless, namespace: default }
spec: { clusterIP: None, selector: { app: headless }, ports: [${protocolPorts}] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: headless, namespace: default, labels: { kubernetes.io/service-name: headless } }
addressType: IPv4
endpoints: [{ addresses: [1.2.3.4] }]
ports: [${protocolPorts}]`,
  calls: toEachPort(
    "headless.default.svc.cluster.local",
    "headless.default",
    "headless.default.svc.cluster.local",
  ),
});

const alias = `
apiVersion: v1
kind: Service
metadata: { name: alias, namespace: default }
spec: { type: ExternalName, externalName: concrete.default.svc.cluster.local }
---
apiVersion: v1
kind: Service
metadata: { name: concrete, namespace: default }
spec: { clusterIP: 1.2.3.4, ports: [${protocolPorts}] }`;

callsTest({
  name: "an ExternalName service is another name of a service",
  yaml: alias,
  calls: toEachPort(
    "alias.default.svc.cluster.local",
    "alias.default",
    "concrete.default.svc.cluster.local",
  ),
});

callsTest({
  name: "requests to an alias have its own rules, connections have not",
  yaml: `${alias}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: alias }
spec:
  hosts: [alias.default.svc.cluster.local]
  http:
    - { name: route1, match: [{ uri: { prefix: /one } }], route: [{ destination: { host: concrete.default.svc.cluster.local } }] }
  tcp:
    - { route: [{ destination: { host: concrete.default.svc.cluster.local, port: { number: 80 } } }] }`,
  calls: [
    ...(
      [
        [80, "alias.default.svc.cluster.local", "route1"],
        [80, "alias.default", "default"],
        [80, "concrete.default.svc.cluster.local", "default"],
        [81, "alias.default.svc.cluster.local", "default"],
        [81, "concrete.default.svc.cluster.local", "default"],
      ] as const
    ).map(([port, hostHeader, routeMatched]) => ({
      call: { address: "1.2.3.4", port, protocol: "http", hostHeader, path: "/one" },
      result: {
        routeMatched,
        clusterMatched: `outbound|${port}||concrete.default.svc.cluster.local`,
      },
    })),
    {
      call: { address: "1.2.3.4", port: 82, protocol: "tcp" },
      result: { clusterMatched: "outbound|82||concrete.default.svc.cluster.local" },
    },
  ],
});

const external = (addresses: string): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: se }
spec:
  hosts: [istio.io]
  ${addresses}
  location: MESH_EXTERNAL
  resolution: DNS
  ports:
    - { name: http, number: 80, protocol: HTTP }
    - { name: auto, number: 81 }
    - { name: tcp, number: 82, protocol: TCP }
    - { name: tls, number: 83, protocol: TLS }
    - { name: https, number: 84, protocol: HTTPS }
    - { name: grpc, number: 85, protocol: GRPC }
    - { name: h2, number: 86, protocol: HTTP2 }`;

const strangers = [
  { protocol: "http", tls: "plaintext" },
  { protocol: "http", tls: "tls" },
  { protocol: "http", tls: "tls", alpn: "http/1.1" },
  { protocol: "tcp", tls: "plaintext" },
  { protocol: "http2", tls: "tls" },
];

for (const [mode, cluster] of [
  ["REGISTRY_ONLY", "BlackHoleCluster"],
  ["ALLOW_ANY", "PassthroughCluster"],
] as const) {
  for (const vip of [true, false]) {
    const calls = [80, 81, 82, 83, 84, 85, 86].flatMap((port) =>
      strangers.map((call): Expectation => {
        const isHttp = call.protocol !== "tcp" && call.tls === "plaintext";
        const routed = [80, 85, 86].includes(port) || (!vip && port === 81);
        // Without an address TCP takes everything on its port.
        const taken = !vip && (port === 82 || (port === 81 && !isHttp));
        const blocked = mode === "REGISTRY_ONLY" && isHttp && routed;
        return {
          call: { address: "9.9.9.9", port, hostHeader: "foo", ...call },
          result: taken
            ? { clusterMatched: `outbound|${port}||istio.io` }
            : blocked
              ? { clusterMatched: null, virtualHostMatched: "block_all" }
              : { clusterMatched: cluster, error: null },
        };
      }),
    );
    callsTest({
      name: `${mode}: what no service takes, ${vip ? "beside" : "without"} an address`,
      yaml: external(vip ? "addresses: [1.2.3.4]" : ""),
      mesh: { outboundTrafficPolicy: { mode } },
      calls,
    });
  }
}

const twoRanges = (first: string, second: string, protocol: string, more = ""): string =>
  [first, second]
    .map(
      (address, index) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: se${index + 1} }
spec:
  hosts: [blah${index + 1}.somedomain]
  addresses: ["${address}"]
  ports: [{ number: 9999, name: port-9999, protocol: ${protocol} }]`,
    )
    .join("\n---")
    .concat(more);

const bothFamilies = { ipAddresses: ["127.0.0.1", "1234::1234"], labels: { app: "foo" } };
const wide = "1234:1f1:123:123:f816:3eff:feb8:2287/16";
const narrow = "1234:1f1:123:123:f816:3eff:febf:57ce/32";
const inNarrow = "1234:1f1:123:123:f816:3eff:febf:57ce";

callsTest({
  name: "of two ranges that are the same the first wins",
  yaml: twoRanges("1234:1f1:123:123:f816:3eff:feb8:2287/32", narrow, "TCP"),
  node: bothFamilies,
  calls: [
    {
      call: { address: "1234:1f1:1:1:1:1:1:1", port: 9999, protocol: "tcp" },
      result: {
        listenerMatched: "0.0.0.0_9999",
        clusterMatched: "outbound|9999||blah1.somedomain",
      },
    },
  ],
});

callsTest({
  name: "of two ranges that overlap the narrower wins",
  yaml: twoRanges(wide, narrow, "TCP"),
  node: bothFamilies,
  calls: [
    {
      call: { address: inNarrow, port: 9999, protocol: "tcp" },
      result: { clusterMatched: "outbound|9999||blah2.somedomain" },
    },
    {
      call: { address: "1234::1", port: 9999, protocol: "tcp" },
      result: { clusterMatched: "outbound|9999||blah1.somedomain" },
    },
  ],
});

callsTest({
  name: "ranges are looked at before server names",
  yaml: twoRanges(
    wide,
    narrow,
    "TLS",
    `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: vs1 }
spec:
  hosts: [blah1.somedomain]
  tls:
    - match: [{ port: 9999, sniHosts: [blah1.somedomain] }]
      route: [{ destination: { host: blah1.somedomain, port: { number: 9999 } } }]`,
  ),
  node: bothFamilies,
  calls: (
    [
      [inNarrow, "blah2.somedomain", "outbound|9999||blah2.somedomain"],
      ["1234::1", "blah1.somedomain", "outbound|9999||blah1.somedomain"],
      [inNarrow, "blah1.somedomain", "PassthroughCluster"],
      ["1234::1", "blah2.somedomain", "PassthroughCluster"],
    ] as const
  ).map(([address, sni, clusterMatched]) => ({
    call: { address, sni, port: 9999, protocol: "tcp", tls: "tls" },
    result: { listenerMatched: "0.0.0.0_9999", clusterMatched },
  })),
});

callsTest({
  name: "an address of two services is the first one's",
  yaml: `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: se1 }
spec:
  hosts: [blah1.somedomain]
  addresses: [1.1.1.1]
  ports: [{ number: 9999, name: port-9999, protocol: TCP }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: se2 }
spec:
  hosts: [blah2.somedomain]
  addresses: [2.2.2.2, 1.1.1.1]
  ports: [{ number: 9999, name: port-9999, protocol: TCP }]`,
  node: bothFamilies,
  calls: (
    [
      ["2.2.2.2", "blah2"],
      ["1.1.1.1", "blah1"],
    ] as const
  ).map(([address, name]) => ({
    call: { address, port: 9999, protocol: "tcp" },
    result: {
      listenerMatched: `${address}_9999`,
      clusterMatched: `outbound|9999||${name}.somedomain`,
    },
  })),
});

callsTest({
  name: "two ServiceEntries of one host have one automatic address",
  yaml: `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: istio-http }
spec:
  hosts: [istio.io]
  location: MESH_EXTERNAL
  resolution: DNS
  ports: [{ number: 80, name: http, protocol: HTTP }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: istio-https }
spec:
  hosts: [istio.io]
  location: MESH_EXTERNAL
  resolution: DNS
  ports: [{ number: 443, name: https, protocol: HTTPS }]`,
  node: { dnsCapture: true, metadata: { DNS_CAPTURE: "true", DNS_AUTO_ALLOCATE: "true" } },
  calls: [
    {
      call: { address: "240.240.91.120", port: 80, hostHeader: "istio.io", protocol: "http" },
      result: { listenerMatched: "0.0.0.0_80", clusterMatched: "outbound|80||istio.io" },
    },
    {
      call: {
        ...{ address: "240.240.91.120", port: 443, hostHeader: "istio.io" },
        ...{ protocol: "http", tls: "tls" },
      },
      result: {
        listenerMatched: "240.240.91.120_443",
        clusterMatched: "outbound|443||istio.io",
      },
    },
  ],
});

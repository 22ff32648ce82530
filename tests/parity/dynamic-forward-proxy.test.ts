import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { after } from "node:test";
import { DnsServer } from "../../testkit/dns-server.ts";
import { answer, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  type CaseConfig,
  extension,
  fileAccessLog,
  http,
  type JsonObject,
  listener,
  route,
  toCluster,
} from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { lines } from "./harness/http1.ts";
import { certificates, secure, trust, upstreamTls } from "./harness/tls.ts";

const server = await new DnsServer().listen();
after(() => server.close());
server.names.set("one.test", { a: ["127.0.0.1"] });
server.names.set("two.test", { a: ["127.0.0.1"] });
server.names.set("six.test", { aaaa: ["::1"] });
server.names.set("bad.test", { failing: true });
server.names.set("away.test", { a: ["127.0.0.9"] });
server.names.set("b.test", { a: ["127.0.0.1"] });
const ok = answer(response(200, "ok"));

/** Receives questions and never answers. */
const silent = createSocket("udp4");
silent.bind(0, "127.0.0.1");
await once(silent, "listening");
after(() => silent.close());

const resolverAt = (port: number): JsonObject =>
  extension(
    "envoy.network.dns_resolver.cares",
    "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
    { resolvers: [{ socket_address: { address: "127.0.0.1", port_value: port } }] },
  );

const cacheConfig = (extra: JsonObject = {}): JsonObject => ({
  dns_cache_config: {
    name: "{case}",
    dns_lookup_family: "V4_ONLY",
    typed_dns_resolver_config: resolverAt(server.port),
    ...extra,
  },
});

const filter = (extra: JsonObject = {}): JsonObject =>
  extension(
    "envoy.filters.http.dynamic_forward_proxy",
    "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig",
    extra,
  );

const perRoute = (config: JsonObject): JsonObject => ({
  typed_per_filter_config: {
    "envoy.filters.http.dynamic_forward_proxy": {
      "@type":
        "type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig",
      ...config,
    },
  },
});

const dynamicCluster = (config: JsonObject, extra: JsonObject = {}): JsonObject => ({
  name: "{case}-main",
  connect_timeout: "1s",
  lb_policy: "CLUSTER_PROVIDED",
  cluster_type: extension(
    "envoy.clusters.dynamic_forward_proxy",
    "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
    config,
  ),
  ...extra,
});

interface Options {
  readonly cache?: JsonObject;
  readonly routes?: readonly JsonObject[];
  readonly cluster?: JsonObject;
  readonly filter?: JsonObject;
  readonly logFormat?: string;
}

const forward = ({ cache, routes, cluster, filter: own, logFormat }: Options = {}): CaseConfig =>
  http({
    filters: [filter({ ...cacheConfig(cache), ...own })],
    clusters: [dynamicCluster(cacheConfig(cache), cluster)],
    ...(routes === undefined ? {} : { routes }),
    ...(logFormat === undefined ? {} : { logFormat }),
  });

const get = (host: string, ...fields: readonly string[]): string =>
  lines("GET / HTTP/1.1", `host: ${host}`, ...fields);
const at = (t: CaseContext, name: string): string => `${name}:${t.upstream().port}`;
const status = async (t: CaseContext, host: string, ...fields: readonly string[]) =>
  (await t.send(get(host, ...fields))).status;
const cacheStats = (values: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`dns_cache.{case}.${name}`, value]),
  );

const requests: readonly ParityCase[] = [
  {
    name: "goes to the host that the request names, asked for once",
    config: forward({ logFormat: "%UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_HOST_NAME%" }),
    upstream: ok,
    run: async (t) => {
      assert.equal(await status(t, at(t, "one.test")), 200);
      assert.equal(await status(t, at(t, "one.test")), 200);
      assert.match(await t.logLine(), /^127\.0\.0\.1:\d+ one\.test:\d+$/);
      await t.stats({
        ...cacheStats({
          dns_query_attempt: 1,
          dns_query_success: 1,
          dns_query_failure: 0,
          host_added: 1,
          host_address_changed: 1,
          num_hosts: 1,
          "circuit_breakers.rq_pending_open": 0,
          "circuit_breakers.rq_pending_remaining": 1024,
        }),
        "cluster.{case}-main.membership_total": 1,
        "cluster.{case}-main.membership_healthy": 1,
        "cluster.{case}-main.membership_change": 1,
      });
    },
  },
  {
    name: "every name has its own host",
    config: forward(),
    upstream: ok,
    run: async (t) => {
      assert.equal(await status(t, at(t, "one.test")), 200);
      assert.equal(await status(t, at(t, "two.test")), 200);
      await t.stats({ "cluster.{case}-main.membership_total": 2 });
      assert.equal(t.upstream().connections.length, 2);
    },
  },
  {
    name: "an address is a name like others",
    config: forward(),
    upstream: ok,
    run: async (t) => {
      assert.equal(await status(t, at(t, "127.0.0.1")), 200);
      await t.stats(cacheStats({ dns_query_attempt: 1, dns_query_success: 1 }));
    },
  },
  {
    name: "requests for a name that is being asked for wait together",
    config: forward(),
    upstream: ok,
    run: async (t) => {
      const host = at(t, "one.test");
      const got = await Promise.all([1, 2, 3, 4].map(() => status(t, host)));
      assert.deepEqual(got, [200, 200, 200, 200]);
      await t.stats(cacheStats({ dns_query_attempt: 1, num_hosts: 1 }));
    },
  },
  {
    name: "without a port it is 80",
    config: forward({ logFormat: "%RESPONSE_CODE% %UPSTREAM_HOST%" }),
    upstream: ok,
    run: async (t) => {
      await status(t, "away.test");
      assert.equal(await t.logLine(), "503 127.0.0.9:80");
    },
  },
  {
    name: "without a port it is 443 where the cluster speaks TLS",
    config: forward({
      logFormat: "%RESPONSE_CODE% %UPSTREAM_HOST%",
      cluster: { transport_socket: upstreamTls({ validation: trust() }) },
    }),
    upstream: ok,
    run: async (t) => {
      await status(t, "away.test");
      assert.equal(await t.logLine(), "503 127.0.0.9:443");
    },
  },
  {
    name: "a request without a host",
    config: forward(),
    upstream: ok,
    run: async (t) => {
      const got = await t.send(get(""));
      assert.equal(got.status, 400);
      assert.equal(got.body, "Empty host header");
      assert.equal(await t.logLine(), "400 - empty_host_header");
    },
  },
  {
    name: "a route's host_rewrite_literal goes before",
    config: forward({
      routes: [
        route(
          { prefix: "/" },
          { ...toCluster(), ...perRoute({ host_rewrite_literal: "127.0.0.9:1" }) },
        ),
      ],
      logFormat: "%UPSTREAM_HOST% %REQ(:AUTHORITY)%",
    }),
    upstream: ok,
    run: async (t) => {
      await status(t, at(t, "one.test"));
      assert.equal(await t.logLine(), "127.0.0.9:1 127.0.0.9:1");
    },
  },
  {
    name: "a route's host_rewrite_header goes before, where the request has it",
    config: forward({
      routes: [
        route({ prefix: "/" }, { ...toCluster(), ...perRoute({ host_rewrite_header: "X-To" }) }),
      ],
      logFormat: "%UPSTREAM_HOST_NAME%",
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal(await status(t, at(t, "one.test")), 200);
      assert.equal(await status(t, "elsewhere", `x-to: ${at(t, "two.test")}`), 200);
      const port = t.upstream().port;
      assert.deepEqual(await t.log(2), [`one.test:${port}`, `two.test:${port}`]);
    },
  },
  {
    name: "a host that the route itself writes",
    config: forward({
      routes: [route({ prefix: "/" }, toCluster("main", { host_rewrite_literal: "127.0.0.9:1" }))],
      logFormat: "%RESPONSE_FLAGS% %UPSTREAM_HOST%",
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal(await status(t, at(t, "one.test")), 503);
      assert.equal(await t.logLine(), "UF 127.0.0.9:1");
    },
    heddle: {
      difference: "Dynamic forward proxies ask in each worker",
      run: async (t) => {
        assert.equal(await status(t, at(t, "one.test")), 503);
        assert.equal(await t.logLine(), "UH -");
      },
    },
  },
];

const failures: readonly ParityCase[] = [
  ...(
    [
      ["nobody.test", "cares_norecords:Domain_name_not_found", "dns_query_success"],
      ["six.test", "cares_norecords:DNS_server_returned_answer_with_no_data", "dns_query_success"],
      ["bad.test", "cares_failure:DNS_server_returned_general_failure", "dns_query_failure"],
      ["[::1]", "cares_failure:Misformatted_domain_name", "dns_query_failure"],
    ] as const
  ).map(
    ([name, details, counter]): ParityCase => ({
      name: `${name} has no address: ${details}`,
      config: forward(),
      upstream: ok,
      run: async (t) => {
        const got = await t.send(get(at(t, name)));
        assert.equal(got.status, 503);
        assert.equal(got.body, "DNS resolution failure");
        assert.equal(await t.logLine(), `503 DF dns_resolution_failure{${details}}`);
        await t.stats(cacheStats({ [counter]: 1, host_address_changed: 0, num_hosts: 1 }));
      },
    }),
  ),
  {
    name: "a failure is remembered",
    config: forward(),
    upstream: ok,
    run: async (t) => {
      assert.equal(await status(t, at(t, "nobody.test")), 503);
      assert.equal(await status(t, at(t, "nobody.test")), 503);
      await t.stats(cacheStats({ dns_query_attempt: 1 }));
    },
  },
  {
    name: "a failure is asked for again",
    config: forward({
      cache: {
        dns_min_refresh_rate: "1s",
        dns_failure_refresh_rate: { base_interval: "0.02s", max_interval: "0.05s" },
      },
    }),
    upstream: ok,
    run: async (t) => {
      server.names.set("late.test", { failing: true });
      const host = at(t, "late.test");
      assert.equal(await status(t, host), 503);
      server.names.set("late.test", { a: ["127.0.0.1"] });
      await t.eventually(async () => assert.equal(await status(t, host), 200));
    },
  },
  {
    name: "a server that says nothing",
    config: forward({
      cache: {
        dns_query_timeout: "0.1s",
        typed_dns_resolver_config: resolverAt(silent.address().port),
      },
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal(await status(t, at(t, "one.test")), 503);
      assert.equal(await t.logLine(), "503 DF dns_resolution_failure{resolve_timeout}");
      await t.stats(cacheStats({ dns_query_timeout: 1, dns_query_failure: 1 }));
    },
  },
  {
    name: "a name that nobody uses is forgotten",
    config: forward({
      cache: {
        host_ttl: "0.001s",
        dns_min_refresh_rate: "1s",
        dns_failure_refresh_rate: { base_interval: "0.05s", max_interval: "0.05s" },
      },
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal(await status(t, at(t, "bad.test")), 503);
      await t.stats(cacheStats({ host_removed: 1, num_hosts: 0 }));
    },
  },
];

const limits: readonly ParityCase[] = [
  {
    name: "max_hosts",
    config: forward({ cache: { max_hosts: 1 } }),
    upstream: ok,
    run: async (t) => {
      assert.equal(await status(t, at(t, "one.test")), 200);
      const got = await t.send(get(at(t, "two.test")));
      assert.equal(got.body, "DNS cache overflow");
      assert.equal(await status(t, at(t, "one.test")), 200);
      assert.deepEqual(await t.log(3), [
        "200 - via_upstream",
        "503 - dns_cache_overflow",
        "200 - via_upstream",
      ]);
      await t.stats(cacheStats({ host_overflow: 1 }));
    },
  },
  {
    name: "max_pending_requests",
    config: forward({ cache: { dns_cache_circuit_breaker: { max_pending_requests: 0 } } }),
    upstream: ok,
    run: async (t) => {
      const got = await t.send(get(at(t, "one.test")));
      assert.equal(got.body, "Dynamic forward proxy pending request overflow");
      assert.equal(await t.logLine(), "503 - dynamic_forward_proxy_pending_request_overflow");
      await t.stats(cacheStats({ dns_rq_pending_overflow: 1, dns_query_attempt: 0 }));
    },
  },
  {
    name: "preresolve_hostnames are asked for at once",
    config: forward({
      cache: { preresolve_hostnames: [{ address: "one.test", port_value: 443 }] },
    }),
    upstream: ok,
    run: async (t) => t.stats(cacheStats({ dns_query_success: 1, num_hosts: 1 })),
  },
];

const secureUpstream = {
  upstreamTls: { cert: certificates.b.certificate, key: certificates.b.key },
  upstream: ok,
};
const tls: readonly ParityCase[] = [
  {
    name: "TLS: the certificate must be for the host that the request names",
    config: forward({ cluster: { transport_socket: upstreamTls({ validation: trust() }) } }),
    ...secureUpstream,
    run: async (t) => {
      assert.equal(await status(t, at(t, "b.test")), 200);
      assert.equal(await status(t, at(t, "one.test")), 503);
    },
  },
  {
    name: "sni_dynamic_forward_proxy goes where the server name says",
    config: {
      listeners: [
        listener(
          [
            extension(
              "envoy.filters.network.sni_dynamic_forward_proxy",
              "envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig",
              { ...cacheConfig(), port_value: "{port:main}" },
            ),
            extension(
              "envoy.filters.network.tcp_proxy",
              "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
              {
                stat_prefix: "{case}",
                cluster: "{case}-main",
                access_log: [fileAccessLog("%RESPONSE_FLAGS% %UPSTREAM_HOST_NAME%")],
              },
            ),
          ],
          {
            listener_filters: [
              extension(
                "envoy.filters.listener.tls_inspector",
                "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
              ),
            ],
          },
        ),
      ],
      clusters: [dynamicCluster(cacheConfig())],
    },
    ...secureUpstream,
    run: async (t) => {
      {
        await using connection = await secure(t, { servername: "b.test" });
        assert.equal((await connection.client.exchange(get("b.test"))).status, 200);
      }
      assert.equal(await t.logLine(), `- b.test:${t.upstream().port}`);
      await assert.rejects(secure(t, { servername: "nobody.test" }));
      await t.stats(cacheStats({ dns_query_attempt: 2, num_hosts: 2 }));
    },
  },
];

const refuses = (name: string, config: CaseConfig, reason: RegExp): ParityCase => ({
  name,
  config,
  upstream: ok,
  own: { start: false },
  run: async (t) => {
    const { code, output } = await t.command("--mode", "validate");
    assert.equal(code, 1);
    assert.match(output, reason);
  },
});

const refusals: readonly ParityCase[] = [
  refuses(
    "refuses a cluster that does not check who answers",
    forward({ cluster: { upstream_http_protocol_options: { auto_sni: true } } }),
    /must have auto_sni and auto_san_validation true unless allow_insecure_cluster_options is set/,
  ),
  refuses(
    "refuses a cache of two configurations",
    forward({ filter: cacheConfig({ max_hosts: 7 }) }),
    /config specified DNS cache '.*' with different settings/,
  ),
  refuses(
    "refuses another balancer",
    forward({ cluster: { lb_policy: "ROUND_ROBIN" } }),
    /cluster provided LB not specified but cluster '.*' provided one/,
  ),
];

parityArea("dynamic-forward-proxy", [...requests, ...failures, ...limits, ...tls, ...refusals]);

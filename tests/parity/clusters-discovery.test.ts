import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { DnsServer } from "../../testkit/dns-server.ts";
import { answer, response, type Script } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  type CaseConfig,
  cluster,
  endpoint,
  extension,
  http,
  type JsonObject,
} from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";

const server = await new DnsServer().listen();
after(() => server.close());
server.names.set("one.test", { a: ["127.0.0.1"] });
server.names.set("two.test", { a: ["127.0.0.1", "127.0.0.2"] });
server.names.set("six.test", { aaaa: ["::1"] });
server.names.set("bad.test", { failing: true });
server.names.set("moves.test", { a: ["127.0.0.1"] });
server.names.set("breaks.test", { a: ["127.0.0.1"] });

const ok = answer(response(200, "ok"));
const named = (...names: readonly string[]): Record<string, Script> =>
  Object.fromEntries(names.map((name) => [name, answer(response(200, name))]));

const resolver: JsonObject = {
  typed_dns_resolver_config: extension(
    "envoy.network.dns_resolver.cares",
    "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
    { resolvers: [{ socket_address: { address: "127.0.0.1", port_value: server.port } }] },
  ),
};

/** The upstream `main` by a name. */
const dnsCluster = (name: string, extra: JsonObject = {}): JsonObject => {
  const { type: _, ...base } = cluster("main", {
    ...resolver,
    load_assignment: {
      cluster_name: "{case}-main",
      endpoints: [
        {
          lb_endpoints: [
            {
              endpoint: {
                address: { socket_address: { address: name, port_value: "{port:main}" } },
              },
            },
          ],
        },
      ],
    },
  });
  return { ...base, type: "STRICT_DNS", ...extra };
};
const byDns = (name: string, extra: JsonObject = {}): CaseConfig =>
  http({ clusters: [dnsCluster(name, extra)] });

const dns: readonly ParityCase[] = [
  {
    name: "STRICT_DNS finds its host",
    config: byDns("one.test"),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/")).status, 200);
      await t.stats({
        "cluster.{case}-main.membership_total": 1,
        "cluster.{case}-main.membership_change": 1,
        "cluster.{case}-main.update_attempt": 1,
        "cluster.{case}-main.update_success": 1,
      });
    },
  },
  {
    name: "STRICT_DNS: every address is a host",
    config: byDns("two.test"),
    upstream: ok,
    run: async (t) => t.stats({ "cluster.{case}-main.membership_total": 2 }),
  },
  {
    name: "LOGICAL_DNS is one host",
    config: byDns("two.test", { type: "LOGICAL_DNS" }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/")).status, 200);
      await t.stats({ "cluster.{case}-main.membership_total": 1 });
    },
  },
  {
    name: "an address needs no name server",
    config: byDns("127.0.0.1"),
    upstream: ok,
    run: async (t) => assert.equal((await t.get("/")).status, 200),
  },
  {
    name: "localhost is in the hosts file",
    config: byDns("localhost", { dns_lookup_family: "V4_ONLY" }),
    upstream: ok,
    run: async (t) => assert.equal((await t.get("/")).status, 200),
  },
  {
    name: "an unknown name is a cluster without hosts",
    config: byDns("nobody.test"),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/")).status, 503);
      assert.equal(await t.logLine(), "503 UH no_healthy_upstream");
      await t.stats({ "cluster.{case}-main.membership_total": 0 });
    },
  },
  {
    name: "a failing name server is counted",
    config: byDns("bad.test"),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/")).status, 503);
      await t.eventually(async () =>
        assert.ok(((await t.stat("cluster.{case}-main.update_failure")) ?? 0) >= 1),
      );
    },
  },
  {
    name: "V6_ONLY does not take IPv4 addresses",
    config: byDns("one.test", { dns_lookup_family: "V6_ONLY" }),
    upstream: ok,
    run: async (t) => assert.equal((await t.get("/")).status, 503),
  },
  ...(["AUTO", "V4_PREFERRED", "V4_ONLY", "ALL"] as const).map(
    (family): ParityCase => ({
      name: `${family} takes IPv4 addresses where there are no others`,
      config: byDns("one.test", { dns_lookup_family: family }),
      upstream: ok,
      run: async (t) => assert.equal((await t.get("/")).status, 200),
    }),
  ),
  {
    name: "V4_PREFERRED takes IPv6 addresses where there are no others",
    config: byDns("six.test", { dns_lookup_family: "V4_PREFERRED" }),
    upstream: ok,
    run: async (t) => t.stats({ "cluster.{case}-main.membership_total": 1 }),
  },
  {
    name: "a name is asked for again, and the hosts follow",
    config: byDns("moves.test", { dns_refresh_rate: "0.05s", dns_lookup_family: "V4_ONLY" }),
    upstream: ok,
    run: async (t) => {
      await t.stats({ "cluster.{case}-main.membership_total": 1 });
      server.names.set("moves.test", { a: ["127.0.0.1", "127.0.0.2", "127.0.0.3"] });
      try {
        await t.stats({
          "cluster.{case}-main.membership_total": 3,
          "cluster.{case}-main.membership_change": 2,
        });
        await t.eventually(async () =>
          assert.ok(((await t.stat("cluster.{case}-main.update_no_rebuild")) ?? 0) >= 1),
        );
      } finally {
        server.names.set("moves.test", { a: ["127.0.0.1"] });
      }
    },
  },
  {
    name: "a name that fails later keeps its hosts",
    config: byDns("breaks.test", { dns_refresh_rate: "0.05s", dns_lookup_family: "V4_ONLY" }),
    upstream: ok,
    run: async (t) => {
      await t.stats({ "cluster.{case}-main.membership_total": 1 });
      server.names.set("breaks.test", { failing: true });
      try {
        await t.eventually(async () =>
          assert.ok(((await t.stat("cluster.{case}-main.update_failure")) ?? 0) >= 1),
        );
        assert.equal((await t.get("/")).status, 200);
      } finally {
        server.names.set("breaks.test", { a: ["127.0.0.1"] });
      }
    },
  },
  {
    name: "cluster_type envoy.clusters.dns",
    config: http({
      clusters: [
        (() => {
          const { type: _, typed_dns_resolver_config: __, ...base } = dnsCluster("two.test");
          const options = { ...resolver, all_addresses_in_single_endpoint: true };
          return {
            ...base,
            cluster_type: extension(
              "envoy.clusters.dns",
              "envoy.extensions.clusters.dns.v3.DnsCluster",
              options,
            ),
          };
        })(),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/")).status, 200);
      await t.stats({ "cluster.{case}-main.membership_total": 1 });
    },
  },
];

/** Envoy wants a node as soon as there is any discovery but DNS. */
const withNode = { start: false, bootstrap: { node: { id: "node", cluster: "cluster" } } };

const edsConfig = (extra: JsonObject = {}): CaseConfig =>
  http({
    clusters: [
      {
        name: "{case}-main",
        type: "EDS",
        eds_cluster_config: {
          eds_config: { path_config_source: { path: "{folder}/eds.json" } },
          ...extra,
        },
      },
    ],
  });
const edsFile = (t: CaseContext, upstream: string, name = `${t.id}-main`): string =>
  JSON.stringify({
    version_info: upstream,
    resources: [
      {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        cluster_name: name,
        endpoints: [
          {
            lb_endpoints: [
              {
                endpoint: {
                  address: {
                    socket_address: { address: "127.0.0.1", port_value: t.upstream(upstream).port },
                  },
                },
              },
            ],
          },
        ],
      },
    ],
  });
function moveIn(t: CaseContext, text: string): void {
  writeFileSync(join(t.folder, "next"), text);
  renameSync(join(t.folder, "next"), join(t.folder, "eds.json"));
}

const eds: readonly ParityCase[] = [
  {
    name: "EDS: hosts follow the file that is moved into place",
    config: edsConfig(),
    upstreams: named("one", "two"),
    own: withNode,
    run: async (t) => {
      moveIn(t, edsFile(t, "one"));
      await t.start();
      assert.equal((await t.get("/")).body, "one");
      moveIn(t, edsFile(t, "two"));
      await t.eventually(async () => assert.equal((await t.get("/")).body, "two"));
      await t.stats({
        "cluster.{case}-main.membership_change": 2,
        "cluster.{case}-main.update_success": 2,
      });
    },
  },
  {
    name: "EDS: a bad file leaves the last good one",
    config: edsConfig(),
    upstreams: named("one", "two"),
    own: withNode,
    run: async (t) => {
      moveIn(t, edsFile(t, "one"));
      await t.start();
      moveIn(t, edsFile(t, "two", "another-name"));
      await t.stats({ "cluster.{case}-main.update_rejected": 1 });
      assert.equal((await t.get("/")).body, "one");
      moveIn(t, edsFile(t, "two"));
      await t.eventually(async () => assert.equal((await t.get("/")).body, "two"));
    },
  },
  {
    name: "EDS: service_name is the resource's name, and YAML is a form of the file",
    config: edsConfig({ service_name: "the-service" }),
    upstreams: named("one"),
    own: withNode,
    run: async (t) => {
      moveIn(t, edsFile(t, "one", "the-service"));
      await t.start();
      assert.equal((await t.get("/")).body, "one");
    },
  },
];

const original = (extra: JsonObject = {}): CaseConfig =>
  http({
    clusters: [
      {
        name: "{case}-main",
        connect_timeout: "1s",
        type: "ORIGINAL_DST",
        lb_policy: "CLUSTER_PROVIDED",
        original_dst_lb_config: { use_http_header: true },
        ...extra,
      },
    ],
  });
const originalHeader = (t: CaseContext): string =>
  `x-envoy-original-dst-host: 127.0.0.1:${t.upstream().port}`;

const originalDestination: readonly ParityCase[] = [
  {
    name: "ORIGINAL_DST goes where the header says",
    config: original(),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/", originalHeader(t))).status, 200);
      await t.stats({ "cluster.{case}-main.membership_total": 1 });
    },
  },
  {
    name: "ORIGINAL_DST without header and redirection is 503 UH",
    config: original(),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/")).status, 503);
      assert.equal(await t.logLine(), "503 UH no_healthy_upstream");
    },
  },
  {
    name: "ORIGINAL_DST ignores the header unless told",
    config: original({ original_dst_lb_config: { use_http_header: false } }),
    upstream: ok,
    run: async (t) => assert.equal((await t.get("/", originalHeader(t))).status, 503),
  },
  {
    name: "ORIGINAL_DST counts a header that is no address",
    config: original(),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/", "x-envoy-original-dst-host: name.test:80")).status, 503);
      await t.stats({ "cluster.{case}-main.original_dst_host_invalid": 1 });
    },
  },
  {
    name: "ORIGINAL_DST: the header's name and the port may be others",
    config: original({
      original_dst_lb_config: {
        use_http_header: true,
        http_header_name: "x-where",
        upstream_port_override: "{port:main}",
      },
    }),
    upstream: ok,
    run: async (t) => assert.equal((await t.get("/", "x-where: 127.0.0.1:1")).status, 200),
  },
  {
    name: "ORIGINAL_DST forgets a host that nobody uses",
    config: original({ cleanup_interval: "0.1s" }),
    upstream: answer(response(200, "ok", "connection: close")),
    run: async (t) => {
      assert.equal((await t.get("/", originalHeader(t))).status, 200);
      await t.stats({
        "cluster.{case}-main.membership_total": 0,
        "cluster.{case}-main.membership_change": 2,
      });
    },
  },
];

const refuses = (name: string, clusters: readonly JsonObject[], reason: RegExp): ParityCase => ({
  name,
  config: http({ clusters }),
  upstream: ok,
  own: withNode,
  run: async (t) => {
    const finished = await t.command("--mode", "validate");
    assert.equal(finished.code, 1);
    assert.match(finished.output, reason);
  },
});
const main = { cluster_name: "{case}-main", endpoints: [{ lb_endpoints: [endpoint("main")] }] };

const refused: readonly ParityCase[] = [
  refuses(
    "refuses a name as a static endpoint",
    [dnsCluster("one.test", { type: "STATIC" })],
    /malformed IP address: one\.test/,
  ),
  refuses(
    "refuses LOGICAL_DNS with two endpoints",
    [
      dnsCluster("x", {
        type: "LOGICAL_DNS",
        load_assignment: {
          ...main,
          endpoints: [{ lb_endpoints: [endpoint("main"), endpoint("main")] }],
        },
      }),
    ],
    /LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint/,
  ),
  refuses(
    "refuses ORIGINAL_DST with another policy than its own",
    [{ name: "{case}-main", connect_timeout: "1s", type: "ORIGINAL_DST", lb_policy: "RANDOM" }],
    /CLUSTER_PROVIDED/,
  ),
  refuses(
    "refuses CLUSTER_PROVIDED where the cluster provides none",
    [cluster("main", { lb_policy: "CLUSTER_PROVIDED" })],
    /cluster provided LB specified but cluster 'c\d+-main' did not provide one/,
  ),
  refuses(
    "refuses ORIGINAL_DST with endpoints",
    [cluster("main", { type: "ORIGINAL_DST", lb_policy: "CLUSTER_PROVIDED" })],
    /ORIGINAL_DST clusters must have no load assignment configured/,
  ),
  refuses(
    "refuses an endpoint file that is not there",
    [
      {
        name: "{case}-main",
        type: "EDS",
        eds_cluster_config: { eds_config: { path_config_source: { path: "{folder}/none.json" } } },
      },
    ],
    /paths must refer to an existing path in the system: '.*none\.json' does not exist/,
  ),
];

parityArea("clusters-discovery", [...dns, ...eds, ...originalDestination, ...refused]);

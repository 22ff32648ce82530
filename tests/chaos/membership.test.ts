import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { DnsServer } from "../../testkit/dns-server.ts";
import { answer, response, type Script } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "../parity/harness/area.ts";
import { cluster, extension, http, type JsonObject } from "../parity/harness/config.ts";
import { type CaseContext, get } from "../parity/harness/context.ts";
import { timed } from "./observed.ts";

const server = await new DnsServer().listen();
after(() => server.close());
server.names.set("flaps.test", { a: ["127.0.0.1"] });

const ok = response(200, "ok");
const rounds = 60;

/** One request for each round of changes; "ok" when none has failed. */
async function through(t: CaseContext, change: (round: number) => void): Promise<string> {
  const client = await t.connect();
  const failures: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    change(round);
    const { status, body } = await client.exchange(get("/"));
    if (status !== 200) failures.push(`round ${round}: ${status} ${body}`);
  }
  return failures.length === 0 ? "ok" : failures.join("; ");
}

const host = (port: number, weight: number): JsonObject => ({
  endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: port } } },
  load_balancing_weight: weight,
});

/** Envoy watches for files that are moved into place. */
function assign(t: CaseContext, members: readonly number[], weight = 1): void {
  const assignment = {
    "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    cluster_name: `${t.id}-main`,
    endpoints: [{ lb_endpoints: members.map((port) => host(port, weight)) }],
  };
  writeFileSync(join(t.folder, "next"), JSON.stringify({ resources: [assignment] }));
  renameSync(join(t.folder, "next"), join(t.folder, "eds.json"));
}

const ports = (t: CaseContext): number[] => ["one", "two"].map((name) => t.upstream(name).port);

/** Closes each connection with its answer, without saying so. */
const closesSilently: Script = async (connection) => {
  await connection.request();
  await connection.write(ok);
  connection.end();
};

const cases: readonly ParityCase[] = [
  {
    name: "members come and go in the endpoint file while requests run: none fails",
    config: http({
      clusters: [
        {
          name: "{case}-main",
          type: "EDS",
          connect_timeout: "1s",
          eds_cluster_config: {
            eds_config: { path_config_source: { path: "{folder}/eds.json" } },
          },
        },
        cluster("one"),
        cluster("two"),
      ],
    }),
    upstreams: { one: answer(ok), two: answer(ok) },
    // Envoy wants a node as soon as there is any discovery but DNS.
    own: { bootstrap: { node: { id: "node", cluster: "cluster" } } },
    prepare: (t) => assign(t, ports(t)),
    run: async (t) => {
      const seen = await timed(t, "members come and go in the endpoint file", () =>
        through(t, (round) => assign(t, ports(t).slice(0, 1 + (round % 2)), 1 + (round % 3))),
      );
      assert.equal(seen, "ok");
    },
  },
  {
    name: "an endpoint file of garbage between good ones: the last good one serves",
    config: http({
      clusters: [
        {
          name: "{case}-main",
          type: "EDS",
          connect_timeout: "1s",
          eds_cluster_config: {
            eds_config: { path_config_source: { path: "{folder}/eds.json" } },
          },
        },
        cluster("one"),
        cluster("two"),
      ],
    }),
    upstreams: { one: answer(ok), two: answer(ok) },
    // Envoy wants a node as soon as there is any discovery but DNS.
    own: { bootstrap: { node: { id: "node", cluster: "cluster" } } },
    prepare: (t) => assign(t, ports(t)),
    run: async (t) => {
      const seen = await timed(t, "the endpoint file turns to garbage and back", () =>
        through(t, (round) => {
          if (round % 2 === 0) {
            writeFileSync(join(t.folder, "next"), "{ not json");
            renameSync(join(t.folder, "next"), join(t.folder, "eds.json"));
          } else assign(t, ports(t));
        }),
      );
      assert.equal(seen, "ok");
    },
  },
  {
    name: "a name that fails to resolve in between: its hosts stay",
    config: http({
      clusters: [
        {
          ...cluster("main", {
            typed_dns_resolver_config: extension(
              "envoy.network.dns_resolver.cares",
              "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
              {
                resolvers: [{ socket_address: { address: "127.0.0.1", port_value: server.port } }],
              },
            ),
            load_assignment: {
              cluster_name: "{case}-main",
              endpoints: [
                {
                  lb_endpoints: [
                    {
                      endpoint: {
                        address: {
                          socket_address: { address: "flaps.test", port_value: "{port:main}" },
                        },
                      },
                    },
                  ],
                },
              ],
            },
          }),
          type: "STRICT_DNS",
          dns_refresh_rate: "0.01s",
        },
      ],
    }),
    upstream: answer(ok),
    run: async (t) => {
      await t.stats({ "cluster.{case}-main.membership_total": 1 });
      const seen = await timed(t, "its name fails to resolve, and resolves again", () =>
        through(t, (round) =>
          server.names.set(
            "flaps.test",
            round % 2 === 0 ? { failing: true } : { a: ["127.0.0.1"] },
          ),
        ),
      );
      assert.equal(seen, "ok");
      server.names.set("flaps.test", { a: ["127.0.0.1"] });
    },
  },
  {
    name: "an upstream that closes after each answer without a word, and a retry policy: none fails",
    config: http({
      routes: [
        {
          match: { prefix: "/" },
          route: {
            cluster: "{case}-main",
            retry_policy: { retry_on: "reset,connect-failure", num_retries: 3 },
          },
        },
      ],
    }),
    upstream: closesSilently,
    run: async (t) => {
      const name = "closes after each answer without a word, retried by policy";
      assert.equal(await timed(t, name, () => through(t, () => undefined)), "ok");
    },
  },
];

parityArea("chaos-membership", cases);

import assert from "node:assert/strict";
import { echo } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  type CaseConfig,
  extension,
  fileAccessLog,
  type JsonObject,
  listener,
} from "./harness/config.ts";

const network = (name: string, type: string, config: JsonObject = {}): JsonObject =>
  extension(
    `envoy.filters.network.${name}`,
    `envoy.extensions.filters.network.${name}.v3.${type}`,
    config,
  );
const tcpProxy = network("tcp_proxy", "TcpProxy", {
  stat_prefix: "{case}",
  cluster: "{case}-main",
});
const rbac = (config: JsonObject): JsonObject =>
  network("rbac", "RBAC", { stat_prefix: "{case}", ...config });
const any: JsonObject = { any: true };
const rules = (permission: JsonObject, action = "ALLOW", principal = any): JsonObject => ({
  action,
  policies: { "a policy": { permissions: [permission], principals: [principal] } },
});
const loopback: JsonObject = { destination_ip: { address_prefix: "127.0.0.0", prefix_len: 8 } };
const elsewhere: JsonObject = { destination_ip: { address_prefix: "10.0.0.0", prefix_len: 8 } };

const withLog = (
  filters: readonly JsonObject[],
  format = "%CONNECTION_TERMINATION_DETAILS% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%",
): CaseConfig => ({ listeners: [listener(filters, { access_log: [fileAccessLog(format)] })] });

const allowList: readonly ParityCase[] = [
  {
    name: "rbac lets pass what a policy matches",
    config: withLog([rbac({ rules: rules(loopback) }), tcpProxy]),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      await client.readThrough("hello");
      await t.stats({ "{case}.rbac.allowed": 1, "{case}.rbac.denied": 0 });
    },
  },
  {
    name: "rbac closes what no policy matches, at the first byte",
    config: withLog([rbac({ rules: rules(elsewhere) }), tcpProxy]),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await t.stats({ "tcp.{case}.downstream_cx_total": 1, "{case}.rbac.denied": 0 });
      await client.write("hello");
      await client.ended();
      await t.stats({ "{case}.rbac.allowed": 0, "{case}.rbac.denied": 1 });
      assert.equal(await t.logLine(), "rbac_access_denied_matched_policy[none] - -");
    },
  },
  {
    name: "rbac DENY names its policy",
    config: withLog([rbac({ rules: rules(loopback, "DENY") }), tcpProxy]),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      await client.ended();
      assert.equal(await t.logLine(), "rbac_access_denied_matched_policy[a_policy] - -");
    },
  },
  {
    name: "rbac ONE_TIME_ON_FIRST_BYTE asks once, CONTINUOUS at every read",
    config: {
      listeners: [
        listener([rbac({ rules: rules(loopback) }), tcpProxy]),
        listener(
          [
            rbac({
              rules: rules(loopback),
              enforcement_type: "CONTINUOUS",
              stat_prefix: "{case}-all",
              shadow_rules: rules(loopback),
              shadow_rules_stat_prefix: "dry",
            }),
            tcpProxy,
          ],
          {},
          "continuous",
        ),
      ],
    },
    upstream: echo(),
    run: async (t) => {
      for (const name of ["main", "continuous"]) {
        const client = await t.connect(name);
        for (const text of ["one", "two"]) {
          await client.write(text);
          await client.readThrough(text);
        }
      }
      await t.stats({
        "{case}.rbac.allowed": 1,
        "{case}-all.rbac.allowed": 2,
        "{case}-all.rbac.dry.shadow_allowed": 2,
      });
    },
  },
  {
    name: "rbac delay_deny holds the connection before it closes it",
    config: withLog([rbac({ rules: rules(elsewhere), delay_deny: "0.1s" }), tcpProxy]),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      await client.ended();
      await t.stats({
        "{case}.rbac.denied": 1,
        "cluster.{case}-main.upstream_cx_tx_bytes_total": 0,
      });
    },
  },
  {
    name: "rbac shadow rules are counted and told, and close nothing",
    config: withLog(
      [rbac({ shadow_rules: rules(loopback, "DENY"), shadow_rules_stat_prefix: "dry_" }), tcpProxy],
      "%DYNAMIC_METADATA(envoy.filters.network.rbac)%",
    ),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      await client.readThrough("hello");
      client.end();
      assert.deepEqual(JSON.parse(await t.logLine()), {
        dry_shadow_effective_policy_id: "a policy",
        dry_shadow_engine_result: "denied",
      });
      await t.stats({
        "{case}.rbac.allowed": 0,
        "{case}.rbac.denied": 0,
        "{case}.rbac.dry_.shadow_allowed": 0,
        "{case}.rbac.dry_.shadow_denied": 1,
      });
    },
  },
  {
    name: "what rules decided is told in metadata",
    config: withLog(
      [rbac({ rules: rules(loopback) }), tcpProxy],
      "%DYNAMIC_METADATA(envoy.filters.network.rbac)%",
    ),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      await client.readThrough("hello");
      client.end();
      assert.equal(await t.logLine(), "-");
    },
  },
  {
    name: "rbac LOG lets all pass and leaves a hint",
    config: withLog(
      [rbac({ rules: rules(elsewhere, "LOG") }), tcpProxy],
      "%DYNAMIC_METADATA(envoy.common)%",
    ),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      await client.readThrough("hello");
      client.end();
      assert.deepEqual(await t.log(), ['{"access_log_hint":false}']);
      await t.stats({ "{case}.rbac.allowed": 1 });
    },
  },
  {
    name: "rbac principals on TCP: source_ip, remote_ip, direct_remote_ip",
    config: withLog([
      rbac({
        rules: rules(any, "ALLOW", {
          and_ids: {
            ids: ["source_ip", "remote_ip", "direct_remote_ip"].map((kind) => ({
              [kind]: { address_prefix: "127.0.0.1", prefix_len: 32 },
            })),
          },
        }),
      }),
      tcpProxy,
    ]),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      await client.readThrough("hello");
    },
  },
  {
    name: "rbac on TCP refuses rules on headers",
    config: withLog([
      rbac({ rules: rules({ header: { name: "x-a", present_match: true } }) }),
      tcpProxy,
    ]),
    upstream: echo(),
    own: { start: false },
    run: async (t) => {
      const { code, output } = await t.command("--mode", "validate");
      assert.equal(code, 1);
      assert.match(output, /header/);
      assert.match(output, /RBAC network filter/);
    },
  },
];

parityArea("network-rbac", allowList);

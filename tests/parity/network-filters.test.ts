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
const withLog = (
  filters: readonly JsonObject[],
  format = "%CONNECTION_TERMINATION_DETAILS% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%",
): CaseConfig => ({ listeners: [listener(filters, { access_log: [fileAccessLog(format)] })] });

const small: readonly ParityCase[] = [
  {
    name: "direct_response writes its text and closes",
    config: withLog([
      network("direct_response", "Config", { response: { inline_string: "go away\n" } }),
    ]),
    run: async (t) => {
      const client = await t.connect();
      await client.readThrough("go away\n");
      await client.ended();
      assert.deepEqual(await t.log(), ["- - direct_response"]);
    },
  },
  {
    name: "direct_response may be bytes",
    config: withLog([network("direct_response", "Config", { response: { inline_bytes: "AP8B" } })]),
    run: async (t) => {
      const client = await t.connect();
      await client.readThrough("\0\xff\x01");
    },
  },
  {
    name: "direct_response without response only closes",
    config: withLog([network("direct_response", "Config")]),
    run: async (t) => {
      const client = await t.connect();
      await client.ended();
      assert.deepEqual(await t.log(), ["- - direct_response"]);
    },
  },
  {
    name: "echo answers with what it gets",
    config: withLog([network("echo", "Echo")]),
    run: async (t) => {
      const client = await t.connect();
      await client.write("one");
      await client.readThrough("one");
      await client.write("two");
      client.end();
      await client.readThrough("two");
      await client.ended();
    },
  },
  {
    name: "echo takes more than any buffer",
    config: withLog([network("echo", "Echo")]),
    run: async (t) => {
      const client = await t.connect();
      const size = 4 << 20;
      await client.write("x".repeat(size));
      await client.until("everything", ({ received }) => received.length === size || undefined);
    },
  },
];

const held = (delay: string): CaseConfig =>
  withLog([
    network("connection_limit", "ConnectionLimit", {
      stat_prefix: "{case}",
      max_connections: 1,
      delay,
    }),
    network("echo", "Echo"),
  ]);

const limits: readonly ParityCase[] = [
  {
    name: "connection_limit closes connections past its limit",
    config: withLog([
      network("connection_limit", "ConnectionLimit", { stat_prefix: "{case}", max_connections: 1 }),
      network("echo", "Echo"),
    ]),
    run: async (t) => {
      const first = await t.connect();
      await first.write("one");
      await first.readThrough("one");
      const second = await t.connect();
      await second.ended();
      await t.stats({
        "connection_limit.{case}.active_connections": 1,
        "connection_limit.{case}.limited_connections": 1,
      });
      assert.deepEqual(await t.log(), ["- - -"]);
      first.close();
      await t.stats({ "connection_limit.{case}.active_connections": 0 });
      const third = await t.connect();
      await third.write("one");
      await third.readThrough("one");
    },
  },
  {
    name: "connection_limit holds a refused connection, and counts it meanwhile",
    config: held("1000s"),
    run: async (t) => {
      const first = await t.connect();
      await first.write("one");
      await first.readThrough("one");
      const second = await t.connect();
      await second.write("two");
      await t.stats({
        "connection_limit.{case}.active_connections": 2,
        "connection_limit.{case}.limited_connections": 1,
      });
      second.close();
      await t.stats({ "connection_limit.{case}.active_connections": 1 });
    },
  },
  {
    name: "connection_limit closes a refused connection when its delay is over",
    config: held("0.1s"),
    run: async (t) => {
      const first = await t.connect();
      await first.write("one");
      await first.readThrough("one");
      const second = await t.connect();
      await second.write("two");
      await second.ended();
      assert.equal(second.received, "");
      await t.stats({ "connection_limit.{case}.active_connections": 1 });
    },
  },
  {
    name: "connection_limit may be off by runtime",
    config: withLog([
      network("connection_limit", "ConnectionLimit", {
        stat_prefix: "{case}",
        max_connections: 1,
        runtime_enabled: { default_value: false, runtime_key: "{case}.enabled" },
      }),
      network("echo", "Echo"),
    ]),
    run: async (t) => {
      for (let i = 0; i < 2; i++) {
        const client = await t.connect();
        await client.write("one");
        await client.readThrough("one");
      }
      await t.stats({
        "connection_limit.{case}.active_connections": 0,
        "connection_limit.{case}.limited_connections": 0,
      });
    },
  },
  {
    name: "local_ratelimit closes connections past its tokens",
    config: withLog([
      network("local_ratelimit", "LocalRateLimit", {
        stat_prefix: "{case}",
        token_bucket: { max_tokens: 2, fill_interval: "1000s" },
      }),
      network("echo", "Echo"),
    ]),
    run: async (t) => {
      for (let i = 0; i < 2; i++) {
        const client = await t.connect();
        await client.write("one");
        await client.readThrough("one");
      }
      await (await t.connect()).ended();
      await t.stats({ "local_rate_limit.{case}.rate_limited": 1 });
      assert.deepEqual(await t.log(), ["- URX -"]);
    },
  },
  {
    name: "local_ratelimit fills its bucket again",
    config: withLog([
      network("local_ratelimit", "LocalRateLimit", {
        stat_prefix: "{case}",
        token_bucket: { max_tokens: 1, tokens_per_fill: 1, fill_interval: "0.1s" },
      }),
      network("echo", "Echo"),
    ]),
    run: async (t) => {
      await t.connect();
      await t.eventually(async () => {
        const client = await t.connect();
        await client.write("one");
        await client.readThrough("one");
      });
    },
  },
  {
    name: "local_ratelimit filters of one share_key share a bucket",
    config: {
      listeners: ["main", "other"].map((name) =>
        listener(
          [
            network("local_ratelimit", "LocalRateLimit", {
              stat_prefix: `{case}-${name}`,
              token_bucket: { max_tokens: 1, fill_interval: "1000s" },
              share_key: "{case}",
            }),
            network("echo", "Echo"),
          ],
          {},
          name,
        ),
      ),
    },
    run: async (t) => {
      const first = await t.connect();
      await first.write("one");
      await first.readThrough("one");
      await (await t.connect("other")).ended();
      await t.stats({ "local_rate_limit.{case}-other.rate_limited": 1 });
    },
  },
  {
    name: "local_ratelimit may be off by runtime",
    config: withLog([
      network("local_ratelimit", "LocalRateLimit", {
        stat_prefix: "{case}",
        token_bucket: { max_tokens: 1, fill_interval: "1000s" },
        runtime_enabled: { default_value: false, runtime_key: "{case}.enabled" },
      }),
      network("echo", "Echo"),
    ]),
    run: async (t) => {
      for (let i = 0; i < 3; i++) {
        const client = await t.connect();
        await client.write("one");
        await client.readThrough("one");
      }
    },
  },
  {
    name: "local_ratelimit refuses a fill interval below 50 ms",
    config: withLog([
      network("local_ratelimit", "LocalRateLimit", {
        stat_prefix: "{case}",
        token_bucket: { max_tokens: 1, fill_interval: "0.049s" },
      }),
      network("echo", "Echo"),
    ]),
    own: { start: false },
    run: async (t) => {
      const { code, output } = await t.command("--mode", "validate");
      assert.equal(code, 1);
      assert.match(output, /must be >= 50ms/);
    },
  },
  {
    name: "sni_cluster without SNI leaves the cluster as it is",
    config: withLog([network("sni_cluster", "SniCluster"), tcpProxy]),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      await client.readThrough("hello");
    },
  },
];

parityArea("network-filters", [...small, ...limits]);

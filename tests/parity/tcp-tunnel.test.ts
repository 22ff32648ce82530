import assert from "node:assert/strict";
import { byHand, echo, type Script } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  type CaseConfig,
  cluster,
  connectionManager,
  header,
  type JsonObject,
  listener,
  toCluster,
} from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { proxying, tcpProxy } from "./harness/tcp-proxy.ts";

const tunneling = (
  tunneling_config: JsonObject = {},
  more: JsonObject = {},
  clusters: readonly JsonObject[] = [],
): CaseConfig =>
  proxying(
    { tunneling_config: { hostname: "host.test:443", ...tunneling_config }, ...more },
    clusters,
  );

const established = "HTTP/1.1 200 OK\r\n\r\n";

/** Takes the CONNECT, answers it, and echoes. */
const connected =
  (answer: string = established): Script =>
  async (connection) => {
    await connection.readThrough("\r\n\r\n");
    await connection.write(answer);
    connection.socket.on("data", (text) => connection.socket.write(text, "latin1"));
    connection.socket.on("end", () => connection.end());
  };

const http1: readonly ParityCase[] = [
  {
    name: "CONNECT: head, bytes, ends",
    config: tunneling(),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("early ");
      const upstream = await t.upstream().connection();
      const head = await upstream.readThrough("\r\n\r\n");
      assert.equal(head, "CONNECT host.test:443 HTTP/1.1\r\nhost: host.test:443\r\n\r\n");
      await upstream.write(established, "hello");
      await client.readThrough("hello");
      await upstream.readThrough("early ");
      await client.write("late");
      await upstream.readThrough("late");
      client.end();
      assert.equal(await upstream.ended(), "half-closed");
      upstream.end();
      assert.equal(await client.ended(), "half-closed");
      assert.equal(await t.logLine(), `- - - - 10 5 1 ${t.id}-main`);
      await t.stats({
        "cluster.{case}-main.upstream_cx_total": 1,
        "cluster.{case}-main.upstream_cx_active": 0,
        "cluster.{case}-main.upstream_cx_http1_total": 1,
        "cluster.{case}-main.upstream_rq_total": 1,
        "cluster.{case}-main.upstream_rq_active": 0,
      });
    },
  },
  {
    name: "CONNECT: the upstream ends first",
    config: tunneling(),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      const upstream = await t.upstream().connection();
      await upstream.readThrough("\r\n\r\n");
      await upstream.write(`${established}hello`);
      upstream.end();
      await client.readThrough("hello");
      assert.equal(await client.ended(), "half-closed");
      client.end();
      assert.equal(await t.logLine(), `- - - - 0 5 1 ${t.id}-main`);
    },
  },
  {
    name: "CONNECT: a byte by byte answer",
    config: tunneling(),
    upstream: connected(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      await client.readThrough("hello");
      client.end();
      assert.equal(await client.ended(), "half-closed");
      assert.match(await t.logLine(), /^- - - - 5 5 1 /);
    },
  },
  {
    name: "CONNECT: an answer after the client's FIN",
    config: tunneling(),
    upstream: byHand(),
    run: (t) => answersLate(t, ""),
    heddle: {
      difference: "What comes back through a tunnel after the client's FIN is delivered",
      run: (t) => answersLate(t, "bye"),
    },
  },
  {
    name: "a refusal is a failed connection",
    config: tunneling(),
    upstream: async (connection) => {
      await connection.readThrough("\r\n\r\n");
      await connection.write("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
    },
    run: async (t) => {
      const client = await t.connect();
      await client.ended();
      assert.equal(client.received, "");
      assert.equal(await t.logLine(), `UF,URX - - tunnel_response:403 0 0 1 ${t.id}-main`);
      await t.stats({
        "cluster.{case}-main.upstream_cx_connect_attempts_exceeded": 1,
        "cluster.{case}-main.upstream_cx_active": 0,
        "cluster.{case}-main.upstream_rq_total": 1,
      });
    },
  },
  {
    name: "a refusal is tried again",
    config: tunneling({}, { max_connect_attempts: 2 }),
    upstream: async (connection, index) => {
      await connection.readThrough("\r\n\r\n");
      if (index === 0) await connection.write("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");
      else await connection.write(`${established}hello`);
    },
    run: async (t) => {
      const client = await t.connect();
      await client.readThrough("hello");
    },
  },
  {
    name: "201 is a success too",
    config: tunneling(),
    upstream: connected("HTTP/1.1 201 Created\r\n\r\n"),
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      await client.readThrough("hello");
    },
  },
  {
    name: "nobody there",
    config: tunneling({}, {}, [
      cluster("main", {
        load_assignment: {
          cluster_name: "{case}-main",
          endpoints: [
            {
              lb_endpoints: [
                {
                  endpoint: {
                    address: { socket_address: { address: "127.0.0.1", port_value: 1 } },
                  },
                },
              ],
            },
          ],
        },
      }),
    ]),
    run: async (t) => {
      await (await t.connect()).ended();
      assert.equal(
        await t.logLine(),
        `UF,URX - - delayed_connect_error:_Connection_refused 0 0 1 ${t.id}-main`,
      );
    },
  },
  {
    name: "the upstream closes before it answers",
    config: tunneling(),
    upstream: async (connection) => {
      await connection.readThrough("\r\n\r\n");
      connection.end();
    },
    run: async (t) => {
      await (await t.connect()).ended();
      assert.equal(await t.logLine(), `UF,URX - - - 0 0 1 ${t.id}-main`);
    },
  },
  {
    name: "headers_to_add, and a hostname from the connection",
    config: tunneling({
      hostname: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%:%DOWNSTREAM_REMOTE_PORT%",
      headers_to_add: [header("x-fixed", "one"), header("x-from", "%DOWNSTREAM_LOCAL_PORT%")],
    }),
    upstream: connected(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("hello");
      await client.readThrough("hello");
      const { localPort, remotePort } = client.socket;
      const [head = ""] = t.upstream().received.split("\r\n\r\n");
      assert.deepEqual(head.split("\r\n"), [
        `CONNECT 127.0.0.1:${localPort} HTTP/1.1`,
        `host: 127.0.0.1:${localPort}`,
        "x-fixed: one",
        `x-from: ${remotePort}`,
      ]);
    },
  },
  {
    name: "POST",
    config: tunneling({ use_post: true, post_path: "/tunnel" }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("question");
      const upstream = await t.upstream().connection();
      assert.equal(
        await upstream.readThrough("\r\n\r\n"),
        "POST /tunnel HTTP/1.1\r\nhost: host.test:443\r\ntransfer-encoding: chunked\r\n\r\n",
      );
      await upstream.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nanswer\r\n");
      await client.readThrough("answer");
      await upstream.readThrough("8\r\nquestion\r\n");
      client.end();
      await upstream.readThrough("0\r\n\r\n");
      await upstream.write("0\r\n\r\n");
      assert.equal(await client.ended(), "half-closed");
      assert.equal(await t.logLine(), `- - - - 8 6 1 ${t.id}-main`);
    },
  },
];

async function answersLate(t: CaseContext, received: string): Promise<void> {
  const client = await t.connect();
  const upstream = await t.upstream().connection();
  await upstream.readThrough("\r\n\r\n");
  await upstream.write(established);
  client.end();
  assert.equal(await upstream.ended(), "half-closed");
  await upstream.write("bye");
  upstream.end();
  await client.ended();
  assert.equal(client.received, received);
}

/** Through an HTTP/2 connection to a listener that takes the tunnel apart again. */
const http2: ParityCase = {
  name: "CONNECT over HTTP/2",
  config: {
    listeners: [
      listener([
        tcpProxy({ cluster: "{case}-hop", tunneling_config: { hostname: "host.test:443" } }),
      ]),
      listener(
        [
          connectionManager({
            manager: {
              stat_prefix: "{case}-end",
              codec_type: "HTTP2",
              access_log: [],
              http2_protocol_options: { allow_connect: true },
              upgrade_configs: [{ upgrade_type: "CONNECT" }],
            },
            routes: [
              {
                match: { connect_matcher: {} },
                ...toCluster("main", {
                  upgrade_configs: [{ upgrade_type: "CONNECT", connect_config: {} }],
                }),
              },
            ],
          }),
        ],
        { address: { pipe: { path: "{folder}/end.sock" } } },
        "end",
      ),
    ],
    clusters: [
      cluster("hop", {
        typed_extension_protocol_options: {
          "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            explicit_http_config: { http2_protocol_options: {} },
          },
        },
        load_assignment: {
          cluster_name: "{case}-hop",
          endpoints: [
            { lb_endpoints: [{ endpoint: { address: { pipe: { path: "{folder}/end.sock" } } } }] },
          ],
        },
      }),
    ],
  },
  upstream: echo(),
  run: async (t) => {
    const clients = [await t.connect(), await t.connect()];
    for (const [index, client] of clients.entries()) {
      await client.write(`hello ${index}`);
      await client.readThrough(`hello ${index}`);
    }
    const size = 1 << 20;
    const [first, second] = clients;
    assert.ok(first !== undefined && second !== undefined);
    void second.write("x".repeat(size));
    await second.until("everything", ({ received }) => received.length === size + 7 || undefined);
    first.end();
    assert.equal(await first.ended(), "half-closed");
    await t.stats({
      "cluster.{case}-hop.upstream_cx_http2_total": 1,
      "cluster.{case}-hop.upstream_rq_total": 2,
      "cluster.{case}-hop.upstream_rq_active": 1,
    });
    assert.match(await t.logLine(), /^- - - - 7 7 1 /);
  },
};

const refused = (name: string, config: CaseConfig, reason: RegExp): ParityCase => ({
  name,
  config,
  upstream: echo(),
  own: { start: false },
  run: async (t) => {
    const { code, output } = await t.command("--mode", "validate");
    assert.equal(code, 1, output);
    assert.match(output, reason);
  },
});

const refusals: readonly ParityCase[] = [
  refused("no hostname is refused", tunneling({ hostname: "" }), /[hH]ostname/),
  refused(
    "a path without POST is refused",
    tunneling({ post_path: "/a" }),
    /Can't set a post path when POST method isn't used/,
  ),
];

parityArea("tcp-tunnel", [...http1, http2, ...refusals]);

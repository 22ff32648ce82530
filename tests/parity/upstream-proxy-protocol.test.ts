import assert from "node:assert/strict";
import { echo, response } from "../../testkit/fake-upstream.ts";
import { addresses6, proxyHeader2, tlv } from "../../testkit/proxy-header.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  type CaseConfig,
  cluster,
  extension,
  http,
  type JsonObject,
  listener,
} from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { filter, text } from "./harness/listener-filters.ts";
import { tcpProxy } from "./harness/tcp-proxy.ts";

const rawBuffer = extension(
  "envoy.transport_sockets.raw_buffer",
  "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
);
const tls = extension(
  "envoy.transport_sockets.tls",
  "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
  { sni: "inner.test" },
);

/** A cluster that begins each connection with a PROXY header. */
const proxied = (
  config: JsonObject,
  extra: JsonObject = {},
  inner: JsonObject = rawBuffer,
): JsonObject =>
  cluster("main", {
    transport_socket: extension(
      "envoy.transport_sockets.upstream_proxy_protocol",
      "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
      { config, transport_socket: inner, ...extra },
    ),
  });

const proxyProtocol = (config: JsonObject = {}): JsonObject =>
  filter("proxy_protocol", "ProxyProtocol", { stat_prefix: "{case}", ...config });

interface TcpOptions {
  readonly config: JsonObject;
  readonly transport?: JsonObject;
  readonly inner?: JsonObject;
  readonly listenerFilters?: readonly JsonObject[];
  readonly proxy?: JsonObject;
}

const tcp = ({
  config,
  transport = {},
  inner = rawBuffer,
  listenerFilters = [],
  proxy = {},
}: TcpOptions): CaseConfig => ({
  listeners: [listener([tcpProxy(proxy)], { listener_filters: listenerFilters })],
  clusters: [proxied(config, transport, inner)],
});

/** Sends `bytes` and waits until the upstream has them; returns what came before them. */
async function preamble(t: CaseContext, header = ""): Promise<string> {
  const client = await t.connect();
  await client.write(`${header}payload`);
  const upstream = await t.upstream().connection();
  return (await upstream.readThrough("payload")).slice(0, -"payload".length);
}

const cases: readonly ParityCase[] = [
  {
    name: "tcp_proxy, version 1",
    config: tcp({ config: { version: "V1" } }),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("payload");
      const got = await (await t.upstream().connection()).readThrough("payload");
      const { localPort, remotePort } = client.socket;
      assert.equal(got, `PROXY TCP4 127.0.0.1 127.0.0.1 ${localPort} ${remotePort}\r\npayload`);
      // The upstream echoes the header too.
      await client.readThrough(got);
      await t.stats({ "cluster.{case}-main.upstream_cx_total": 1 });
    },
  },
  {
    name: "tcp_proxy, version 2",
    config: tcp({ config: { version: "V2" } }),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("payload");
      const got = await (await t.upstream().connection()).readThrough("payload");
      const addresses = Buffer.from([127, 0, 0, 1, 127, 0, 0, 1, 0, 0, 0, 0]);
      addresses.writeUInt16BE(client.socket.localPort ?? 0, 8);
      addresses.writeUInt16BE(client.socket.remotePort ?? 0, 10);
      assert.equal(got, `${text(proxyHeader2({ addresses }))}payload`);
    },
  },
  {
    name: "the header comes before the client has said anything",
    config: tcp({ config: { version: "V1" } }),
    upstream: echo(),
    run: async (t) => {
      await t.connect();
      await (await t.upstream().connection()).readThrough("PROXY TCP4 ");
    },
  },
  {
    name: "addresses of a downstream PROXY header, version 1",
    config: tcp({ config: { version: "V1" }, listenerFilters: [proxyProtocol()] }),
    upstream: echo(),
    run: async (t) => {
      const got = await preamble(t, text(proxyHeader2({ family: 0x21, addresses: addresses6 })));
      assert.equal(got, "PROXY TCP6 2001:db8::1 2001:db8::2 4660 80\r\n");
    },
  },
  {
    name: "addresses of a downstream PROXY header, version 2",
    config: tcp({ config: { version: "V2" }, listenerFilters: [proxyProtocol()] }),
    upstream: echo(),
    run: async (t) => {
      const got = await preamble(t, "PROXY TCP6 2001:db8::1 2001:db8::2 4660 80\r\n");
      assert.equal(got, text(proxyHeader2({ family: 0x21, addresses: addresses6 })));
    },
  },
  {
    name: "a downstream LOCAL or UNKNOWN",
    config: tcp({ config: { version: "V1" }, listenerFilters: [proxyProtocol()] }),
    upstream: echo(),
    run: async (t) => {
      assert.match(
        await preamble(t, "PROXY UNKNOWN\r\n"),
        /^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\n$/,
      );
    },
  },
  {
    name: "TLVs are not passed on by default",
    config: tcp({ config: { version: "V2" }, listenerFilters: [proxyProtocol()] }),
    upstream: echo(),
    run: async (t) => {
      const header = text(proxyHeader2({ tlvs: [tlv(2, "a"), tlv(5, "b")] }));
      assert.equal(await preamble(t, header), text(proxyHeader2()));
    },
  },
  {
    name: "pass_through_tlvs, all of them",
    config: tcp({
      config: { version: "V2", pass_through_tlvs: {} },
      listenerFilters: [proxyProtocol({ pass_through_tlvs: {} })],
    }),
    upstream: echo(),
    run: async (t) => {
      const header = text(proxyHeader2({ tlvs: [tlv(2, "a"), tlv(5, "b"), tlv(2, "c")] }));
      assert.equal(await preamble(t, header), header);
    },
  },
  {
    name: "pass_through_tlvs, some",
    config: tcp({
      config: { version: "V2", pass_through_tlvs: { match_type: "INCLUDE", tlv_type: [5, 6] } },
      listenerFilters: [
        proxyProtocol({ pass_through_tlvs: { match_type: "INCLUDE", tlv_type: [2, 5] } }),
      ],
    }),
    upstream: echo(),
    run: async (t) => {
      const header = text(proxyHeader2({ tlvs: [tlv(2, "a"), tlv(5, "b"), tlv(6, "c")] }));
      assert.equal(await preamble(t, header), text(proxyHeader2({ tlvs: [tlv(5, "b")] })));
    },
  },
  {
    name: "added_tlvs",
    config: tcp({
      config: {
        version: "V2",
        added_tlvs: [
          { type: 0xe0, value: Buffer.from("fixed").toString("base64") },
          { type: 0xe1, format_string: { text_format_source: { inline_string: "%PROTOCOL%-x" } } },
        ],
      },
      listenerFilters: [proxyProtocol()],
    }),
    upstream: echo(),
    run: async (t) => {
      assert.equal(
        await preamble(t, text(proxyHeader2())),
        text(proxyHeader2({ tlvs: [tlv(0xe0, "fixed"), tlv(0xe1, "--x")] })),
      );
    },
  },
  {
    name: "added_tlvs and passed ones of one type",
    config: tcp({
      config: {
        version: "V2",
        pass_through_tlvs: {},
        added_tlvs: [{ type: 2, value: Buffer.from("added").toString("base64") }],
      },
      listenerFilters: [proxyProtocol({ pass_through_tlvs: {} })],
    }),
    upstream: echo(),
    run: async (t) => {
      const header = text(proxyHeader2({ tlvs: [tlv(2, "a"), tlv(5, "b")] }));
      assert.equal(
        await preamble(t, header),
        text(proxyHeader2({ tlvs: [tlv(2, "added"), tlv(5, "b")] })),
      );
    },
  },
  {
    name: "tcp_proxy's proxy_protocol_tlvs",
    config: tcp({
      config: { version: "V2", pass_through_tlvs: {} },
      proxy: {
        proxy_protocol_tlvs: [{ type: 0xe0, value: Buffer.from("tcp").toString("base64") }],
      },
    }),
    upstream: echo(),
    run: async (t) => {
      const got = await preamble(t);
      assert.equal(got.slice(-6), text(tlv(0xe0, "tcp")));
      assert.equal(got.length, proxyHeader2().length + 6);
    },
  },
  {
    name: "tcp_proxy's proxy_protocol_tlvs give way to a downstream header",
    config: tcp({
      config: { version: "V2", pass_through_tlvs: {} },
      listenerFilters: [proxyProtocol({ pass_through_tlvs: {} })],
      proxy: {
        proxy_protocol_tlvs: [
          { type: 2, value: Buffer.from("tcp").toString("base64") },
          { type: 0xe0, value: Buffer.from("new").toString("base64") },
        ],
      },
    }),
    upstream: echo(),
    run: async (t) => {
      const header = text(proxyHeader2({ tlvs: [tlv(2, "a"), tlv(5, "b")] }));
      assert.equal(await preamble(t, header), header);
    },
  },
  {
    name: "the header comes before a TLS handshake",
    config: tcp({ config: { version: "V1" }, inner: tls }),
    upstream: () => undefined,
    run: async (t) => {
      await t.connect();
      const upstream = await t.upstream().connection();
      await upstream.readThrough("\r\n");
      await upstream.readThrough("inner.test");
      assert.match(upstream.received, /^PROXY TCP4 [^\r]*\r\n\x16\x03\x01/);
    },
  },
  {
    name: "HTTP: each client connection has upstream connections of its own",
    config: http({ clusters: [proxied({ version: "V1" })] }),
    upstream: async (connection) => {
      await connection.readThrough("\r\n");
      while ((await connection.request()) !== undefined)
        await connection.write(response(200, "ok"));
      connection.end();
    },
    run: async (t) => {
      const [one, two] = [await t.connect(), await t.connect()];
      for (const client of [one, two, one, two])
        assert.equal((await client.exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n")).status, 200);
      const headers = t.upstream().connections.map(({ received }) => received.split("\r\n")[0]);
      const expected = [one, two].map(
        ({ socket }) => `PROXY TCP4 127.0.0.1 127.0.0.1 ${socket.localPort} ${socket.remotePort}`,
      );
      assert.deepEqual(headers.sort(), expected.sort());
      await t.stats({
        "cluster.{case}-main.upstream_cx_total": 2,
        "cluster.{case}-main.upstream_rq_total": 4,
      });
    },
  },
  {
    name: "HTTP: addresses and TLVs of a downstream PROXY header",
    config: http({
      clusters: [proxied({ version: "V2", pass_through_tlvs: {} })],
      listener: {
        listener_filters: [
          proxyProtocol({
            pass_through_tlvs: {},
            rules: [{ tlv_type: 5, on_tlv_present: { key: "five" } }],
          }),
        ],
      },
      logFormat: "%DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol)%",
    }),
    upstream: async (connection) => {
      await connection.readThrough("XYZ");
      while ((await connection.request()) !== undefined)
        await connection.write(response(200, "ok"));
    },
    run: async (t) => {
      const header = text(proxyHeader2({ tlvs: [tlv(5, "XYZ")] }));
      const got = await t.send(`${header}GET / HTTP/1.1\r\nhost: a\r\n\r\n`);
      assert.equal(got.status, 200);
      assert.ok(t.upstream().received.startsWith(header));
      // Metadata of the connection is not the request's.
      assert.equal(await t.logLine(), "-");
    },
  },
  {
    name: "HTTP: the connection's addresses, whatever x-forwarded-for says",
    config: http({
      clusters: [proxied({ version: "V1" })],
      manager: { use_remote_address: true, xff_num_trusted_hops: 1 },
    }),
    upstream: async (connection) => {
      await connection.readThrough("\r\n");
      while ((await connection.request()) !== undefined)
        await connection.write(response(200, "ok"));
    },
    run: async (t) => {
      await t.get("/", "x-forwarded-for: 9.9.9.9, 8.8.8.8");
      assert.match(t.upstream().received, /^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\n/);
    },
  },
];

parityArea("upstream-proxy-protocol", cases);

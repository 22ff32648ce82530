import assert from "node:assert/strict";
import { echo } from "../../testkit/fake-upstream.ts";
import { addresses6, proxyHeader2, tlv } from "../../testkit/proxy-header.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { http, type JsonObject } from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { addresses, echoing, filter, passes, refused, text } from "./harness/listener-filters.ts";

const proxyProtocol = (config: JsonObject = {}): JsonObject =>
  filter("proxy_protocol", "ProxyProtocol", { stat_prefix: "{case}", ...config });
interface HeaderCase {
  readonly name: string;
  readonly config?: JsonObject;
  readonly header: string;
  /** The log line; undefined: the connection is dropped. */
  readonly log?: string | RegExp;
  readonly format?: string;
  readonly stats: Readonly<Record<string, number>>;
}

const headerCase = ({ name, config, header, log, format, stats }: HeaderCase): ParityCase => ({
  name: `proxy_protocol: ${name}`,
  config: echoing([proxyProtocol(config)], format ?? addresses),
  upstream: echo(),
  run: async (t) => {
    if (log === undefined) await refused(t, [`${header}hello`]);
    else if (typeof log === "string")
      assert.equal(await passes(t, [`${header}hello`], "hello"), log);
    else assert.match(await passes(t, [`${header}hello`], "hello"), log);
    await t.stats(
      Object.fromEntries(
        Object.entries(stats).map(([key, value]) => [`proxy_proto.{case}.${key}`, value]),
      ),
    );
  },
});

const own = /^127\.0\.0\.1:\d+ 127\.0\.0\.1:\d+$/;
const rules: JsonObject = {
  rules: [
    { tlv_type: 2, on_tlv_present: { key: "authority" } },
    { tlv_type: 0xea, on_tlv_present: { metadata_namespace: "vpc", key: "id" } },
  ],
};
const tlvs = [tlv(2, "a.test"), tlv(5, "x"), tlv(0xea, "vpc-1"), tlv(2, "second")];
const metadata =
  "%DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol)% %DYNAMIC_METADATA(vpc:id)%";
const badHeaders: Readonly<Record<string, string>> = {
  "a port above 65535": "PROXY TCP4 1.2.3.4 5.6.7.8 70000 80\r\n",
  "a wrong address": "PROXY TCP4 1.2.3.256 5.6.7.8 1 80\r\n",
  "IPv6 addresses as TCP4": "PROXY TCP4 ::1 ::2 1 80\r\n",
  "a word too few": "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
  "a word too many": "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
  "two spaces": "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
  "an unknown protocol": "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
  "a multicast source": "PROXY TCP4 224.0.0.1 5.6.7.8 1 2\r\n",
  "no source": "PROXY TCP4 0.0.0.0 5.6.7.8 1 2\r\n",
  "a line of 109 bytes": `PROXY UNKNOWN${" ".repeat(94)}\r\n`,
};
const badBinary: Readonly<Record<string, Buffer>> = {
  "a Unix socket": proxyHeader2({ family: 0x31, addresses: Buffer.alloc(216) }),
  "an unspecified family": proxyHeader2({ family: 0, addresses: Buffer.alloc(0) }),
  "version 1": proxyHeader2({ versionCommand: 0x11 }),
  "an unknown command": proxyHeader2({ versionCommand: 0x22 }),
  "addresses cut short": proxyHeader2({ addresses: Buffer.alloc(8, 1) }),
  "a TLV cut short": proxyHeader2({ tlvs: [Buffer.from([2, 0, 9, 1])] }),
};

const proxyProtocolCases: readonly ParityCase[] = [
  ...[
    {
      name: "version 1, IPv4",
      header: "PROXY TCP4 1.2.3.4 5.6.7.8 1000 80\r\n",
      log: "1.2.3.4:1000 5.6.7.8:80",
    },
    {
      name: "version 1, IPv6",
      header: "PROXY TCP6 2001:db8::1 2001:0DB8:0:0::2 1000 80\r\n",
      log: "[2001:db8::1]:1000 [2001:db8::2]:80",
    },
    {
      name: "version 1, mapped and compatible addresses",
      header: "PROXY TCP6 ::ffff:1.2.3.4 ::1.2.3.4 1 2\r\n",
      log: "[::ffff:1.2.3.4]:1 [::1.2.3.4]:2",
    },
    {
      name: "version 1, UNKNOWN keeps the connection's addresses",
      header: "PROXY UNKNOWN 1.2.3.4 what ever\r\n",
      log: own,
    },
    { name: "version 1, 108 bytes", header: `PROXY UNKNOWN${" ".repeat(93)}\r\n`, log: own },
  ].map((it) => headerCase({ ...it, stats: { "versions.v1.found": 1, "versions.v1.error": 0 } })),
  ...[
    { name: "version 2, IPv4", header: text(proxyHeader2()), log: "1.2.3.4:4660 5.6.7.8:80" },
    {
      name: "version 2, IPv6",
      header: text(proxyHeader2({ family: 0x21, addresses: addresses6 })),
      log: "[2001:db8::1]:4660 [2001:db8::2]:80",
    },
    {
      name: "version 2, UDP",
      header: text(proxyHeader2({ family: 0x12 })),
      log: "1.2.3.4:4660 5.6.7.8:80",
    },
    {
      name: "version 2, LOCAL keeps the connection's addresses",
      header: text(proxyHeader2({ versionCommand: 0x20, tlvs })),
      log: own,
    },
    {
      name: "version 2, LOCAL of an unknown family",
      header: text(proxyHeader2({ versionCommand: 0x20, family: 0x55 })),
      log: own,
    },
    {
      name: "version 2, as long as it can be",
      header: text(proxyHeader2({ tlvs: [tlv(4, "x".repeat(65_535 - 12 - 3))] })),
      log: "1.2.3.4:4660 5.6.7.8:80",
    },
    {
      name: "TLVs become dynamic metadata by rule, the first of a type wins",
      config: rules,
      header: text(proxyHeader2({ tlvs })),
      format: metadata,
      log: '{"authority":"a.test"} vpc-1',
    },
    {
      name: "a TLV without rule leaves nothing",
      header: text(proxyHeader2({ tlvs })),
      format: metadata,
      log: "- -",
    },
    {
      name: "a TLV that is not UTF-8",
      config: rules,
      header: text(proxyHeader2({ tlvs: [tlv(2, "a\xffb")] })),
      format: metadata,
      log: '{"authority":"a!b"} -',
    },
    {
      name: "TLVs become filter state",
      config: { ...rules, tlv_location: "FILTER_STATE" },
      header: text(proxyHeader2({ tlvs })),
      format: "%FILTER_STATE(envoy.network.proxy_protocol.tlv)%",
      // In any order.
      log: /^(?=.*"authority":"second")(?=.*"id":"vpc-1")/,
    },
    {
      name: "TLVs of LOCAL are not read",
      config: rules,
      header: text(proxyHeader2({ versionCommand: 0x20, tlvs })),
      format: metadata,
      log: "- -",
    },
  ].map((it) => headerCase({ ...it, stats: { "versions.v2.found": 1, "versions.v2.error": 0 } })),
  ...Object.entries(badHeaders).map(([name, header]) =>
    headerCase({
      name: `version 1 with ${name} is refused`,
      header,
      stats: { "versions.v1.error": 1, "versions.v1.found": 0 },
    }),
  ),
  ...Object.entries(badBinary).map(([name, header]) =>
    headerCase({
      name: `version 2 with ${name} is refused`,
      header: text(header),
      stats: { "versions.v2.error": 1, "versions.v2.found": 0 },
    }),
  ),
  headerCase({
    name: "no header is refused",
    header: "GET / HTTP/1.1\r\n",
    stats: { not_found_disallowed: 1 },
  }),
  headerCase({
    name: "no header may be allowed",
    config: { allow_requests_without_proxy_protocol: true },
    header: "",
    log: own,
    stats: { not_found_allowed: 1 },
  }),
  headerCase({
    name: "no header may be allowed, a broken one is refused",
    config: { allow_requests_without_proxy_protocol: true },
    header: "PROXY what\r\n",
    stats: { "versions.v1.error": 1, not_found_allowed: 0 },
  }),
  headerCase({
    name: "a disallowed version is refused",
    config: { disallowed_versions: ["V1"] },
    header: "PROXY TCP4 1.2.3.4 5.6.7.8 1000 80\r\n",
    stats: { "versions.v1.disallowed": 1, "versions.v1.found": 1 },
  }),
  headerCase({
    name: "a disallowed version is payload where none is needed",
    config: { disallowed_versions: ["V1"], allow_requests_without_proxy_protocol: true },
    header: "PROXY TCP4 1.2.3.4 5.6.7.8 1000 80\r\n",
    log: own,
    stats: { "versions.v1.disallowed": 0, not_found_allowed: 1 },
  }),
  {
    name: "proxy_protocol: a zone, a sign or a space at the end is refused",
    config: echoing([proxyProtocol()], addresses),
    upstream: echo(),
    run: (t) => acceptsOdd(t, true),
    heddle: {
      difference: "PROXY protocol version 1 is read strictly",
      run: (t) => acceptsOdd(t, false),
    },
  },
  {
    name: "proxy_protocol: a header that comes in pieces",
    config: echoing([proxyProtocol()], addresses),
    upstream: echo(),
    run: async (t) => {
      for (const header of ["PROXY TCP4 1.2.3.4 5.6.7.8 1 80\r\n", text(proxyHeader2())]) {
        const client = await t.connect();
        await client.write(...header, "hello");
        await client.readThrough("hello");
      }
    },
  },
  {
    name: "proxy_protocol: a client that goes before its header is whole",
    config: echoing([proxyProtocol()], "%RESPONSE_FLAGS% %BYTES_RECEIVED%"),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write("PROXY TCP4 ");
      client.end();
      await client.ended();
      assert.equal(await t.logLine(), "- 0");
      await t.stats({
        "listener.{case}.downstream_listener_filter_remote_close": 1,
        "listener.{case}.downstream_cx_total": 0,
        "listener.{case}.downstream_pre_cx_active": 0,
      });
    },
  },
  {
    name: "proxy_protocol: the client's address reaches the connection manager",
    config: http({
      manager: { use_remote_address: true },
      listener: { listener_filters: [proxyProtocol()] },
      logFormat: "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
    }),
    upstream: async (connection) => {
      await connection.request();
      await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    },
    run: async (t) => {
      const header = "PROXY TCP4 9.2.3.4 5.6.7.8 1000 80\r\n";
      const got = await t.send(`${header}GET / HTTP/1.1\r\nhost: a\r\n\r\n`);
      assert.equal(got.status, 200);
      assert.match(t.upstream().received, /^x-forwarded-for: 9\.2\.3\.4\r$/m);
      assert.equal(await t.logLine(), "9.2.3.4:1000 127.0.0.1");
    },
  },
];

async function acceptsOdd(t: CaseContext, accepted: boolean): Promise<void> {
  for (const header of [
    "PROXY TCP6 fe80::1%lo fe80::2 1 2\r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
  ]) {
    const client = await t.connect();
    await client.write(`${header}hello`);
    if (accepted) await client.readThrough("hello");
    else await client.ended();
  }
}

const timeouts: readonly ParityCase[] = [
  {
    name: "a listener filter that does not end in time closes the connection",
    config: echoing([proxyProtocol()], "%RESPONSE_FLAGS%", { listener_filters_timeout: "0.05s" }),
    upstream: echo(),
    run: async (t) => {
      assert.equal(await refused(t, ["PROXY TC"]), "-");
      await t.stats({
        "listener.{case}.downstream_pre_cx_timeout": 1,
        "listener.{case}.downstream_cx_total": 0,
      });
    },
  },
  {
    name: "or goes on with what is known, if so configured",
    config: echoing([proxyProtocol()], addresses, {
      listener_filters_timeout: "0.05s",
      continue_on_listener_filters_timeout: true,
    }),
    upstream: echo(),
    run: async (t) => {
      assert.match(await passes(t, ["PROXY TC"], "PROXY TC"), own);
      await t.stats({
        "listener.{case}.downstream_pre_cx_timeout": 1,
        "listener.{case}.downstream_cx_total": 1,
      });
    },
  },
];

parityArea("listener-filters", [...proxyProtocolCases, ...timeouts]);

import assert from "node:assert/strict";
import {
  alpn,
  hello,
  extension as helloExtension,
  helloMessage,
  records,
  serverName,
} from "../../testkit/client-hello.ts";
import { echo } from "../../testkit/fake-upstream.ts";
import { proxyHeader2 } from "../../testkit/proxy-header.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import type { CaseConfig, JsonObject } from "./harness/config.ts";
import { echoing, filter, passes, refused, text, toEcho } from "./harness/listener-filters.ts";

const tlsInspector = (config: JsonObject = {}): JsonObject =>
  filter("tls_inspector", "TlsInspector", config);
const httpInspector = filter("http_inspector", "HttpInspector");
/** A chain for each criterion; the log says which one it was. */
const chains = (matches: Readonly<Record<string, JsonObject>>): JsonObject => ({
  filter_chains: Object.entries(matches).map(([name, filter_chain_match]) => ({
    name,
    filter_chain_match,
    filters: [toEcho],
  })),
});
const tlsChains = chains({
  exact: { server_names: ["a.test"] },
  wildcard: { server_names: ["*.test"] },
  h2: { transport_protocol: "tls", application_protocols: ["h2"] },
  tls: { transport_protocol: "tls" },
  raw: { transport_protocol: "raw_buffer" },
});
const named = "%FILTER_CHAIN_NAME% %REQUESTED_SERVER_NAME%";

interface ChainCase {
  readonly name: string;
  readonly pieces: readonly string[];
  readonly config: CaseConfig;
  /** The log line; undefined: the connection is dropped. */
  readonly log: string | undefined;
  /** Sent first, and not echoed. */
  readonly header?: string;
}

const chainCase = ({ name, pieces, config, log, header = "" }: ChainCase): ParityCase => ({
  name,
  config,
  upstream: echo(),
  run: async (t) => {
    const sent = header === "" ? pieces : [header, ...pieces];
    if (log === undefined) await refused(t, sent);
    else assert.equal(await passes(t, sent, pieces.join("")), log);
  },
});

const helloCase = (
  name: string,
  bytes: Buffer,
  log: string | undefined,
  config: JsonObject = {},
): ParityCase =>
  chainCase({
    name: `tls_inspector: ${name}`,
    pieces: [text(bytes)],
    config: echoing([tlsInspector(config)], named, tlsChains),
    log,
  });

const fullHello = hello(serverName("a.test"), alpn("h2", "http/1.1"));
const brokenHello = hello(serverName("a.test"), Buffer.from([0, 99, 0, 9, 1]));
const oldHello = records(helloMessage({ version: 0x0300, extensions: [serverName("a.test")] }));
const tlsCases: readonly ParityCase[] = [
  helloCase("exact name", fullHello, "exact a.test"),
  helloCase("a name in capitals", hello(serverName("A.TEST")), "exact a.test"),
  helloCase("wildcard name", hello(serverName("x.y.test")), "wildcard x.y.test"),
  helloCase("no name, ALPN", hello(alpn("h2")), "h2 -"),
  helloCase("no name, another protocol", hello(alpn("http/1.1")), "tls -"),
  helloCase("no extensions", records(helloMessage()), "tls -"),
  helloCase("another name", hello(serverName("a.example")), "tls a.example"),
  helloCase(
    "a name that is none is marked in the log",
    hello(serverName("a b")),
    "tls invalid:a_b",
  ),
  helloCase(
    "one byte a record",
    records(helloMessage({ extensions: [serverName("a.test")] }), { fragment: 1 }),
    "exact a.test",
  ),
  helloCase("plain text", Buffer.from("GET / HTTP/1.1\r\n"), "raw -"),
  helloCase("an alert", records(helloMessage(), { type: 21 }), "raw -"),
  helloCase("a broken hello is plain text", brokenHello, "raw -"),
  helloCase("two names are a broken hello", hello(serverName("a.test", "b.test")), "raw -"),
  helloCase(
    "a repeated extension is a broken hello",
    hello(serverName("a.test"), serverName("a.test")),
    "raw -",
  ),
  helloCase(
    "15,000 bytes",
    hello(helloExtension(21, Buffer.alloc(15_000)), serverName("a.test")),
    "exact a.test",
  ),
  helloCase(
    "more than 16 KiB is refused",
    hello(helloExtension(21, Buffer.alloc(20_000))),
    undefined,
  ),
  helloCase("SSL 3 is refused", oldHello, undefined),
  helloCase("a limit of one's own", hello(helloExtension(21, Buffer.alloc(2000))), undefined, {
    max_client_hello_size: 1000,
  }),
  helloCase("a broken hello may be refused", brokenHello, undefined, {
    close_connection_on_client_hello_parsing_errors: true,
  }),
  helloCase("and with it plain text", Buffer.from("GET / HTTP/1.1\r\n"), undefined, {
    close_connection_on_client_hello_parsing_errors: true,
  }),
  chainCase({
    name: "tls_inspector: a hello that comes byte by byte",
    pieces: [...text(hello(serverName("a.test")))],
    config: echoing([tlsInspector()], named, tlsChains),
    log: "exact a.test",
  }),
  {
    name: "tls_inspector: a client that says nothing more is waited for until the timeout",
    config: echoing([tlsInspector()], named, {
      ...tlsChains,
      listener_filters_timeout: "0.05s",
      continue_on_listener_filters_timeout: true,
    }),
    upstream: echo(),
    run: async (t) => {
      const cut = text(fullHello.subarray(0, 40));
      assert.equal(await passes(t, [cut], cut), "raw -");
    },
  },
  {
    name: "tls_inspector: what it counts",
    config: echoing([tlsInspector()], named, tlsChains),
    upstream: echo(),
    own: {},
    run: async (t) => {
      const small = [fullHello, hello(alpn("h2")), hello(serverName("b.test")), brokenHello];
      for (const bytes of small) {
        const client = await t.connect();
        await client.write(text(bytes));
        await client.readThrough(text(bytes));
      }
      for (const bytes of [oldHello, hello(helloExtension(21, Buffer.alloc(20_000)))]) {
        const client = await t.connect();
        await client.write(text(bytes));
        await client.ended();
      }
      await t.stats({
        "tls_inspector.tls_found": 3,
        "tls_inspector.tls_not_found": 2,
        "tls_inspector.sni_found": 3,
        "tls_inspector.sni_not_found": 1,
        "tls_inspector.alpn_found": 2,
        "tls_inspector.alpn_not_found": 1,
        "tls_inspector.client_hello_too_large": 1,
      });
    },
  },
];

const httpChains = chains({
  old: { application_protocols: ["http/1.0"] },
  http1: { application_protocols: ["http/1.1"] },
  http2: { application_protocols: ["h2c"] },
  other: {},
});
const http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const lineCase = (line: string, chain: string, pieces: readonly string[] = [line]): ParityCase =>
  chainCase({
    name: `http_inspector: ${JSON.stringify(line.slice(0, 40))}${pieces.length > 1 ? " byte by byte" : ""} is ${chain}`,
    pieces,
    config: echoing([httpInspector], "%FILTER_CHAIN_NAME%", httpChains),
    log: chain,
  });

const httpCases: readonly ParityCase[] = [
  lineCase("GET / HTTP/1.1\r\nhost: a\r\n\r\n", "http1"),
  lineCase("GET / HTTP/1.1\n", "http1"),
  lineCase("GET / HTTP/1.0\r\n", "old"),
  lineCase("GET /\r\n", "old"),
  lineCase("GET / HTTP/2.0\r\n", "old"),
  lineCase("brew  *\tHTTP/1.1 \r\n", "http1"),
  lineCase("CONNECT a:1 HTTP/1.1\r\n", "http1"),
  lineCase("GET http://a/ HTTP/1.1\r\n", "http1"),
  lineCase(`GET /${"a".repeat(9000)} HTTP/1.1\r\n`, "http1"),
  lineCase(http2Preface, "http2"),
  lineCase("PRI * HTTP/1.1\r\n", "http1"),
  lineCase("PRI * HTTP/2.0\r\n\r\nXX", "old"),
  lineCase("hello world\r\n", "other"),
  lineCase("GET / HTTP/1.11\r\n", "other"),
  lineCase("GET /a b HTTP/1.1\r\n", "other"),
  lineCase("GET /\xe9 HTTP/1.1\r\n", "other"),
  lineCase(" GET / HTTP/1.1\r\n", "other"),
  lineCase(text(fullHello), "other"),
  lineCase("GET / HTTP/1.1\r\n", "http1", [..."GET / HTTP/1.1\r\n"]),
  lineCase(http2Preface, "http2", [...http2Preface]),
  {
    name: "http_inspector: a line of more than 64 KiB is refused",
    config: echoing([httpInspector], "%FILTER_CHAIN_NAME%", httpChains),
    upstream: echo(),
    run: async (t) => {
      assert.equal(await refused(t, [`GET /${"a".repeat(70_000)}`]), "-");
    },
  },
  {
    name: "http_inspector behind tls_inspector: what each counts",
    config: echoing([tlsInspector(), httpInspector], "%FILTER_CHAIN_NAME%", httpChains),
    upstream: echo(),
    own: {},
    run: async (t) => {
      const inputs = [
        text(fullHello),
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.0\r\n",
        http2Preface,
        "what?\n",
      ];
      for (const input of inputs) {
        const client = await t.connect();
        await client.write(input);
        await client.readThrough(input);
      }
      await t.stats({
        "tls_inspector.tls_found": 1,
        "tls_inspector.tls_not_found": 4,
        "http_inspector.http11_found": 1,
        "http_inspector.http10_found": 1,
        "http_inspector.http2_found": 1,
        "http_inspector.http_not_found": 1,
        "http_inspector.read_error": 0,
      });
    },
  },
  {
    name: "filters run in their order, each on what the one before left",
    config: echoing(
      [filter("proxy_protocol", "ProxyProtocol"), tlsInspector()],
      "%FILTER_CHAIN_NAME% %DOWNSTREAM_REMOTE_ADDRESS%",
      tlsChains,
    ),
    upstream: echo(),
    run: async (t) => {
      const header = text(proxyHeader2());
      const payload = text(fullHello);
      assert.equal(await passes(t, [header + payload], payload), "exact 1.2.3.4:4660");
    },
  },
];

const portRange = (start: number, end: number): JsonObject => ({
  destination_port_range: { start, end },
});
/** By a PROXY header, which comes first, the destination's port is 80. */
const disabledCase = (name: string, filter_disabled: JsonObject, isOff: boolean): ParityCase =>
  chainCase({
    name: `filter_disabled: ${name}`,
    pieces: [text(fullHello)],
    config: echoing(
      [filter("proxy_protocol", "ProxyProtocol"), { ...tlsInspector(), filter_disabled }],
      named,
      tlsChains,
    ),
    log: isOff ? "raw -" : "exact a.test",
    header: text(proxyHeader2()),
  });

const disabledCases: readonly ParityCase[] = [
  disabledCase("a port within the range", portRange(80, 81), true),
  disabledCase("the range ends before its end", portRange(79, 80), false),
  disabledCase("any_match", { any_match: true }, true),
  disabledCase("not_match", { not_match: portRange(80, 81) }, false),
  disabledCase("or_match", { or_match: { rules: [portRange(1, 2), portRange(80, 90)] } }, true),
  disabledCase("and_match", { and_match: { rules: [portRange(1, 2), portRange(80, 90)] } }, false),
];

parityArea("listener-inspectors", [...tlsCases, ...httpCases, ...disabledCases]);

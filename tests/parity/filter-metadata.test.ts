import { answer, response } from "../../testkit/fake-upstream.ts";
import { parityArea } from "./harness/area.ts";
import {
  extension,
  http,
  type JsonObject,
  route,
  toCluster,
  virtualHost,
} from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { lines } from "./harness/http1.ts";
import { forwardedText } from "./harness/http2.ts";
import { type Scene, type Seen, scene } from "./harness/scene.ts";

const filterName = "envoy.filters.http.header_to_metadata";
const typeName = "envoy.extensions.filters.http.header_to_metadata.v3.Config";
const filter = (config: JsonObject): JsonObject => extension(filterName, typeName, config);
const perRoute = (config: JsonObject): JsonObject => ({
  typed_per_filter_config: {
    [filterName]: { "@type": `type.googleapis.com/${typeName}`, ...config },
  },
});

/** In the namespace that the log shows. */
const to = (key: string, more: JsonObject = {}): JsonObject => ({
  metadata_namespace: "ns",
  key,
  ...more,
});
const shown = `%DYNAMIC_METADATA(ns)%|%DYNAMIC_METADATA(other)%|%DYNAMIC_METADATA(${filterName})%`;

/** Each namespace of a log line, its keys sorted. */
const sorted = (line: string): string =>
  line
    .split("|")
    .map((text) => {
      if (text === "-") return text;
      const fields: Readonly<Record<string, unknown>> = JSON.parse(text);
      const keys = Object.keys(fields).sort();
      return keys.map((key) => `${key}=${JSON.stringify(fields[key])}`).join(" ");
    })
    .join("|");

/** What is known of requests with these fields. */
async function each(t: CaseContext, ...sent: readonly (readonly string[])[]): Promise<Seen> {
  for (const fields of sent) await t.send(lines("GET / HTTP/1.1", "host: a.example", ...fields));
  return (await t.log(sent.length)).map(sorted);
}

const counters = [
  "request_rules_processed",
  "request_metadata_added",
  "request_header_not_found",
  "response_rules_processed",
  "response_metadata_added",
  "response_header_not_found",
  "base64_decode_failed",
  "header_value_too_long",
  "regex_substitution_failed",
];

interface Parts {
  readonly rules: readonly JsonObject[];
  readonly requests: readonly (readonly string[])[];
  readonly sees: Seen;
}

const fromRequests = (name: string, { rules, requests: sent, sees }: Parts): Scene => ({
  name,
  config: http({ logFormat: shown, filters: [filter({ request_rules: rules })] }),
  upstream: answer(response(200, "ok")),
  act: (t) => each(t, ...sent),
  sees,
});

const scenes: readonly Scene[] = [
  fromRequests("present and missing", {
    rules: [
      { header: "X-A", on_header_present: to("a"), on_header_missing: to("a", { value: "none" }) },
      { header: "x-b", on_header_missing: to("b", { value: "none" }) },
      { header: "x-c", on_header_present: to("c", { value: "fixed" }) },
    ],
    requests: [["x-a: 1", "x-b: 1", "x-c: 1"], [], ["x-a:", "x-b:", "x-c:"]],
    sees: ['a="1" c="fixed"|-|-', 'a="none" b="none"|-|-', 'c="fixed"|-|-'],
  }),
  fromRequests("a header's values are joined", {
    rules: [{ header: "x-a", on_header_present: to("a") }],
    requests: [["x-a: 1", "x-a: 2"], ["x-a: 1,2"], ["x-a: 1", "x-a:"]],
    sees: ['a="1,2"|-|-', 'a="1,2"|-|-', 'a="1,"|-|-'],
  }),
  fromRequests("namespaces", {
    rules: [
      { header: "x-a", on_header_present: { key: "own" } },
      { header: "x-a", on_header_present: { metadata_namespace: "other", key: "o" } },
      { header: "x-a", on_header_present: to("n") },
      { header: "x-a", on_header_present: to("n", { value: "later" }) },
    ],
    requests: [["x-a: 1"]],
    sees: ['n="later"|o="1"|own="1"'],
  }),
  fromRequests("pseudo headers", {
    rules: [
      { header: ":path", on_header_present: to("path") },
      { header: ":method", on_header_present: to("method") },
      { header: ":authority", on_header_present: to("authority") },
      {
        header: "host",
        on_header_present: to("host"),
        on_header_missing: to("host", { value: "none" }),
      },
      { header: ":scheme", on_header_present: to("scheme") },
    ],
    requests: [[]],
    sees: ['authority="a.example" host="a.example" method="GET" path="/" scheme="http"|-|-'],
  }),
  fromRequests("numbers", {
    rules: [{ header: "x-a", on_header_present: to("a", { type: "NUMBER" }) }],
    requests: [
      ["x-a: 1"],
      ["x-a: -1.5e3"],
      ["x-a: +7"],
      ["x-a: 0x10"],
      ["x-a: 1 2"],
      ["x-a: 1."],
      ["x-a: .5"],
      ["x-a: ."],
      ["x-a: one"],
      ["x-a: 1_0"],
      ["x-a: 12345678901234567890"],
      ["x-a: 1e"],
      ["x-a: 0b1"],
      ["x-a: +-1"],
      ["x-a: -0"],
      ["x-a: 007"],
      ["x-a: 0x1.8p1"],
      ["x-a: -0X1f"],
      ["x-a: 0x"],
      ["x-a: infin"],
      ["x-a: 1f"],
    ],
    sees: [
      "a=1|-|-",
      "a=-1500|-|-",
      "a=7|-|-",
      "a=16|-|-",
      "-|-|-",
      "a=1|-|-",
      "a=0.5|-|-",
      "-|-|-",
      "-|-|-",
      "-|-|-",
      "a=12345678901234567000|-|-",
      "-|-|-",
      "-|-|-",
      "-|-|-",
      "a=0|-|-",
      "a=7|-|-",
      "a=3|-|-",
      "a=-31|-|-",
      "-|-|-",
      "-|-|-",
      "-|-|-",
    ],
  }),
  fromRequests("base64", {
    rules: [{ header: "x-a", on_header_present: to("a", { encode: "BASE64" }) }],
    requests: [
      ["x-a: aGVsbG8="],
      ["x-a: aGVsbG8"],
      ["x-a: aGVsbG8=="],
      ["x-a: aGVsbG8==="],
      ["x-a: aGVs bG8="],
      ["x-a: aGVsbG9="],
      ["x-a: a"],
      ["x-a: ="],
      ["x-a: -_"],
      ["x-a: w7w="],
      ["x-a: YQ==YQ=="],
    ],
    sees: [
      'a="hello"|-|-',
      'a="hello"|-|-',
      'a="hello"|-|-',
      "-|-|-",
      "-|-|-",
      "-|-|-",
      "-|-|-",
      "-|-|-",
      "-|-|-",
      'a="ü"|-|-',
      "-|-|-",
    ],
  }),
  fromRequests("base64 of a number and of a protobuf value", {
    rules: [
      { header: "x-n", on_header_present: to("n", { type: "NUMBER", encode: "BASE64" }) },
      { header: "x-v", on_header_present: to("v", { type: "PROTOBUF_VALUE", encode: "BASE64" }) },
    ],
    requests: [
      ["x-n: MTI=", "x-v: EQAAAAAAAPg/"],
      ["x-n: YQ==", "x-v: GgJoaQ=="],
      ["x-v: KhEKDwoBaxIKGghpbiB0aGVyZQ=="],
      ["x-v: MgwKBBoCYWIKBBoCY2Q="],
      ["x-v: IAE="],
      ["x-v: CAA="],
      ["x-v: /////w=="],
    ],
    sees: [
      "n=12 v=1.5|-|-",
      'v="hi"|-|-',
      'v={"k":"in there"}|-|-',
      'v=["ab","cd"]|-|-',
      "v=true|-|-",
      "v=null|-|-",
      "-|-|-",
    ],
  }),
  fromRequests("a protobuf value as it stands", {
    rules: [{ header: "x-v", on_header_present: to("v", { type: "PROTOBUF_VALUE" }) }],
    requests: [[" x-v: nothing"].map((text) => text.trim())],
    sees: ["-|-|-"],
  }),
  fromRequests("a pattern makes the value", {
    rules: [
      {
        header: ":path",
        on_header_present: to("a", {
          regex_value_rewrite: {
            pattern: { google_re2: {}, regex: "^/(.*)$" },
            substitution: "[\\1]",
          },
        }),
      },
      {
        header: "x-a",
        on_header_present: to("b", {
          regex_value_rewrite: { pattern: { regex: "[0-9]+" }, substitution: "" },
        }),
      },
    ],
    requests: [["x-a: a1b22"], ["x-a: none"], ["x-a: 12"]],
    sees: ['a="[]" b="ab"|-|-', 'a="[]" b="none"|-|-', 'a="[]"|-|-'],
  }),
  fromRequests("long values are left out", {
    rules: [
      {
        header: "x-a",
        on_header_present: to("a", {
          regex_value_rewrite: { pattern: { regex: "x+" }, substitution: "short" },
        }),
      },
      { header: "x-a", on_header_present: to("b") },
      { header: "x-a", on_header_present: to("c", { value: "fixed" }) },
    ],
    requests: [[`x-a: ${"x".repeat(8192)}`], [`x-a: ${"y".repeat(8)}`]],
    sees: ['a="short" c="fixed"|-|-', 'a="yyyyyyyy" b="yyyyyyyy" c="fixed"|-|-'],
  }),
  fromRequests("cookies", {
    rules: [
      {
        cookie: "c",
        on_header_present: to("c"),
        on_header_missing: to("c", { value: "none" }),
      },
      { cookie: "n", on_header_present: to("n", { type: "NUMBER" }) },
    ],
    requests: [
      ["cookie: c=1"],
      ["cookie: a=0; c=2; n=5; b=3"],
      ["cookie: a=0", "cookie: c=4"],
      ['cookie: c="quoted"'],
      ["cookie: c="],
      ["cookie: cc=1; C=2"],
      ["cookie: c=1; c=2"],
      ["cookie: c=a=b"],
      ["cookie:c=1;n=2"],
      [],
    ],
    sees: [
      'c="1"|-|-',
      'c="2" n=5|-|-',
      'c="4"|-|-',
      'c="quoted"|-|-',
      'c="none"|-|-',
      'c="none"|-|-',
      'c="1"|-|-',
      'c="a=b"|-|-',
      'c="1" n=2|-|-',
      'c="none"|-|-',
    ],
  }),
  fromRequests("values above ASCII", {
    rules: [{ header: "x-a", on_header_present: to("a") }],
    requests: [["x-a: gr\u00fc\u00df"], ["x-a: gr\u00c3\u00bc"]],
    sees: ['a="grüß"|-|-', 'a="grü"|-|-'],
  }),
  {
    name: "a header is removed once it was read, or was to be",
    config: http({
      logFormat: shown,
      filters: [
        filter({
          request_rules: [
            { header: "x-a", on_header_present: to("a"), remove: true },
            {
              header: "x-a",
              on_header_present: to("again"),
              on_header_missing: to("again", { value: "gone" }),
            },
            { header: "x-b", on_header_missing: to("b", { value: "none" }), remove: true },
          ],
        }),
      ],
    }),
    upstream: answer(response(200, "ok")),
    act: async (t) => [...(await each(t, ["x-a: 1", "x-a: 2", "x-b: 3"])), forwardedText(t)],
    sees: [
      'a="1,2" again="gone"|-|-',
      ["GET / HTTP/1.1; host: a.example; x-forwarded-proto: http"],
    ],
  },
  {
    name: "responses",
    config: http({
      logFormat: shown,
      filters: [
        filter({
          request_rules: [{ header: "x-a", on_header_present: to("a") }],
          response_rules: [
            { header: "x-r", on_header_present: to("r"), remove: true },
            { header: ":status", on_header_present: to("status", { type: "NUMBER" }) },
            { header: "x-none", on_header_missing: to("none", { value: "yes" }) },
            { header: "server", on_header_present: to("server") },
            {
              cookie: "c",
              on_header_present: to("c"),
              on_header_missing: to("c", { value: "no" }),
            },
          ],
        }),
      ],
    }),
    upstream: answer(response(201, "ok", "x-r: 1", "x-r: 2", "x-s: 3", "set-cookie: c=1")),
    act: async (t) => {
      const got = await t.get("/", "x-a: 1");
      return [String(got.header("x-r")), String(got.header("x-s")), ...(await t.log()).map(sorted)];
    },
    sees: ["undefined", "3", 'a="1" c="no" none="yes" r="1,2" status=201|-|-'],
  },
  {
    name: "the most specific level has all the rules",
    config: http({
      logFormat: shown,
      filters: [filter({ request_rules: [{ header: "x-a", on_header_present: to("listener") }] })],
      virtualHosts: [
        virtualHost(
          "all",
          ["*"],
          [
            route(
              { prefix: "/route" },
              {
                ...toCluster(),
                ...perRoute({ request_rules: [{ header: "x-a", on_header_present: to("route") }] }),
              },
            ),
            route(
              { prefix: "/response" },
              {
                ...toCluster(),
                ...perRoute({
                  response_rules: [{ header: "server", on_header_present: to("response") }],
                }),
              },
            ),
            route(),
          ],
          perRoute({ request_rules: [{ header: "x-a", on_header_present: to("host") }] }),
        ),
        virtualHost("other", ["other"], [route()]),
      ],
    }),
    upstream: answer(response(200, "ok")),
    act: async (t) => {
      for (const path of ["/route", "/response", "/"]) await t.get(path, "x-a: 1");
      await t.send(lines("GET / HTTP/1.1", "host: other", "x-a: 1"));
      return (await t.log(4)).map(sorted);
    },
    sees: ['route="1"|-|-', "-|-|-", 'host="1"|-|-', 'listener="1"|-|-'],
  },
  {
    name: "a stat_prefix has the rules counted",
    config: http({
      filters: [
        filter({
          stat_prefix: "{case}",
          request_rules: [
            {
              header: "x-a",
              on_header_present: to("a", { type: "NUMBER" }),
              on_header_missing: to("a", { value: "1" }),
            },
            { header: "x-b", on_header_present: to("b", { encode: "BASE64" }) },
            {
              header: "x-c",
              on_header_present: to("c", {
                regex_value_rewrite: { pattern: { regex: "[0-9]+" }, substitution: "" },
              }),
            },
          ],
          response_rules: [
            { header: "x-a", on_header_present: to("a") },
            { header: "x-b", on_header_missing: to("b", { value: "1" }) },
          ],
        }),
      ],
      routes: [
        route(
          { prefix: "/route" },
          {
            ...toCluster(),
            ...perRoute({
              stat_prefix: "{case}-route",
              request_rules: [{ header: "x-a", on_header_present: to("a") }],
            }),
          },
        ),
        route(),
      ],
    }),
    upstream: answer(response(200, "ok", "x-a: 1")),
    act: async (t) => {
      await t.get("/", "x-a: 1", "x-b: YQ==", "x-c: a1");
      await t.get("/", "x-a: one", "x-b: *", "x-c: 1");
      await t.get("/", `x-b: ${"x".repeat(8192)}`, "x-c:");
      await t.get("/route", "x-a: 1");
      await t.log(4);
      const seen: string[] = [];
      for (const prefix of ["{case}", "{case}-route"])
        for (const name of counters) {
          const value = await t.stat(`http_filter_name.${prefix}.${name}`);
          if (value !== 0) seen.push(`${prefix} ${name} ${value}`);
        }
      return seen;
    },
    sees: [
      "{case} request_rules_processed 9",
      "{case} request_metadata_added 4",
      "{case} request_header_not_found 1",
      "{case} response_rules_processed 6",
      "{case} response_metadata_added 6",
      "{case} response_header_not_found 3",
      "{case} base64_decode_failed 1",
      "{case} header_value_too_long 1",
      "{case} regex_substitution_failed 1",
      "{case}-route request_rules_processed 1",
      "{case}-route request_metadata_added 1",
    ],
  },
  {
    name: "routes match what it found",
    config: http({
      filters: [filter({ request_rules: [{ header: "x-a", on_header_present: to("a") }] })],
      routes: [
        {
          match: {
            prefix: "/",
            dynamic_metadata: [
              { filter: "ns", path: [{ key: "a" }], value: { string_match: { exact: "1" } } },
            ],
          },
          direct_response: { status: 200, body: { inline_string: "matched" } },
        },
        route(),
      ],
    }),
    upstream: answer(response(200, "ok")),
    act: async (t) => [(await t.get("/", "x-a: 1")).body, (await t.get("/", "x-a: 2")).body],
    sees: ["ok", "ok"],
  },
];

parityArea("filter-metadata", scenes.map(scene));

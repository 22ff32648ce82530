import assert from "node:assert/strict";
import { answer, response } from "../../testkit/fake-upstream.ts";
import type { Response } from "../../testkit/raw-client.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  direct,
  extension,
  header,
  http,
  type JsonObject,
  route,
  toCluster,
  virtualHost,
} from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { upstreamCodec } from "./harness/http1.ts";

const filterName = "envoy.filters.http.header_mutation";
const typeName = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation";
const mutation = (mutations: JsonObject, more: JsonObject = {}): JsonObject =>
  extension(filterName, typeName, { mutations, ...more });
const perRoute = (mutations: JsonObject): JsonObject => ({
  typed_per_filter_config: {
    [filterName]: { "@type": `type.googleapis.com/${typeName}PerRoute`, mutations },
  },
});
const append = (
  key: string,
  value: string,
  action?: string,
  more: JsonObject = {},
): JsonObject => ({
  append: { ...header(key, value, action), ...more },
});
const remove = (name: string): JsonObject => ({ remove: name });

/** The values of a field in the one request that the upstream got. */
function sent(t: CaseContext, name: string): readonly string[] {
  return t
    .upstream()
    .received.split("\r\n")
    .filter((line) => line.startsWith(`${name}:`))
    .map((line) => line.slice(name.length + 1).trim());
}

const got = (response_: Response, name: string): readonly string[] =>
  response_.fields.filter(([field]) => field === name).map(([, value]) => value);

const requests = (
  name: string,
  mutations: readonly JsonObject[],
  fields: readonly string[],
  expected: Readonly<Record<string, readonly string[]>>,
): ParityCase => ({
  name,
  config: http({ filters: [mutation({ request_mutations: mutations })] }),
  upstream: answer(response(200, "ok")),
  run: async (t) => {
    assert.equal((await t.get("/p?q=1", ...fields)).status, 200);
    const actual = Object.fromEntries(
      Object.keys(expected).map((field) => [field, sent(t, field)]),
    );
    assert.deepEqual(actual, expected);
  },
});

const actions: readonly ParityCase[] = (
  [
    ["APPEND_IF_EXISTS_OR_ADD", ["old", "new"], ["new"]],
    ["ADD_IF_ABSENT", ["old"], ["new"]],
    ["OVERWRITE_IF_EXISTS_OR_ADD", ["new"], ["new"]],
    ["OVERWRITE_IF_EXISTS", ["new"], []],
  ] as const
).map(([action, present, absent]) =>
  requests(
    `append_action ${action}`,
    [append("x-present", "new", action), append("x-absent", "new", action)],
    ["x-present: old"],
    { "x-present": present, "x-absent": absent },
  ),
);

const requestCases: readonly ParityCase[] = [
  requests(
    "mutations run in their order",
    [append("x-a", "1"), remove("x-a"), append("x-a", "2"), remove("x-b")],
    ["x-a: 0", "x-b: 1", "x-b: 2"],
    { "x-a": ["2"], "x-b": [] },
  ),
  requests(
    "values have operators",
    [append("x-a", "%REQ(x-in)%/%REQ(:path)%-%PROTOCOL%"), append("x-none", "%REQ(x-none)%")],
    ["x-in: v"],
    { "x-a": ["v//p?q=1-HTTP/1.1"], "x-none": [] },
  ),
  requests(
    "an empty value is added only when it is to be kept",
    [
      append("x-a", ""),
      append("x-b", "", "OVERWRITE_IF_EXISTS_OR_ADD", { keep_empty_value: true }),
    ],
    ["x-b: old"],
    { "x-a": [], "x-b": [""] },
  ),
  requests(
    "an empty value does not overwrite",
    [append("x-a", "", "OVERWRITE_IF_EXISTS_OR_ADD")],
    ["x-a: old"],
    { "x-a": ["old"] },
  ),
  requests(
    "remove_on_match removes by name",
    [{ remove_on_match: { key_matcher: { prefix: "x-in-" } } }],
    ["x-in-a: 1", "x-in-b: 2", "x-out: 3"],
    { "x-in-a": [], "x-in-b": [], "x-out": ["3"] },
  ),
  requests("names have any case", [remove("X-A"), append("X-B", "1")], ["x-a: 1"], {
    "x-a": [],
    "x-b": ["1"],
  }),
  {
    name: "query parameters are added, replaced and removed",
    config: http({
      filters: [
        mutation({
          query_parameter_mutations: [
            { remove: "gone" },
            {
              append: {
                record: { key: "a", value: "%REQ(x-in)%" },
                action: "OVERWRITE_IF_EXISTS_OR_ADD",
              },
            },
            { append: { record: { key: "b", value: "x y" }, action: "APPEND_IF_EXISTS_OR_ADD" } },
            { append: { record: { key: "c", value: "9" }, action: "ADD_IF_ABSENT" } },
            { append: { record: { key: "d", value: "9" }, action: "OVERWRITE_IF_EXISTS" } },
          ],
        }),
      ],
    }),
    upstream: answer(response(200, "ok")),
    run: async (t) => {
      await t.get("/p?gone=1&a=1&b=2&c=3&z=1&gone", "x-in: v&w");
      await t.get("/p");
      await t.get("/p?%67one=1&%61=2&b=0&c=3&d=1");
      assert.deepEqual(t.upstream().received.match(/^GET .*(?= HTTP)/gm), [
        "GET /p?a=v%26w&b=2&b=x%20y&c=3&z=1",
        "GET /p?a=&b=x%20y&c=9",
        "GET /p?a=&b=0&b=x%20y&c=3&d=9",
      ]);
    },
  },
  {
    name: "request trailers are changed",
    config: http({
      filters: [
        mutation({ request_trailers_mutations: [remove("x-a"), append("x-b", "%REQ(:method)%")] }),
      ],
      manager: { http_protocol_options: { enable_trailers: true } },
      clusters: [upstreamCodec({ enable_trailers: true })],
    }),
    upstream: answer(response(200, "ok")),
    run: async (t) => {
      await t.send(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-a: 1\r\nx-c: 3\r\n\r\n",
      );
      assert.match(t.upstream().received, /\r\n0\r\nx-c: 3\r\nx-b: POST\r\n\r\n$/);
    },
  },
];

const responseCases: readonly ParityCase[] = [
  {
    name: "responses are changed, with operators of request and response",
    config: http({
      filters: [
        mutation({
          response_mutations: [
            append("x-a", "%REQ(x-in)%-%RESP(x-up)%-%RESPONSE_CODE%"),
            remove("x-up"),
            append("x-b", "2", "OVERWRITE_IF_EXISTS_OR_ADD"),
          ],
        }),
      ],
    }),
    upstream: answer(response(201, "ok", "x-up: u", "x-b: 1")),
    run: async (t) => {
      const answered = await t.get("/", "x-in: v");
      assert.deepEqual(got(answered, "x-a"), ["v-u-201"]);
      assert.deepEqual(got(answered, "x-b"), ["2"]);
      assert.deepEqual(got(answered, "x-up"), []);
    },
  },
  {
    name: "direct responses and replies without route are changed too",
    config: http({
      filters: [
        mutation({
          response_mutations: [
            append("x-a", "1"),
            append("server", "mine", "OVERWRITE_IF_EXISTS_OR_ADD"),
            remove("content-type"),
          ],
        }),
      ],
      routes: [route({ prefix: "/direct" }, direct("text"))],
    }),
    run: async (t) => {
      for (const path of ["/direct", "/none"]) {
        const answered = await t.get(path);
        assert.deepEqual(got(answered, "x-a"), ["1"], path);
        assert.deepEqual(got(answered, "content-type"), [], path);
        assert.deepEqual(got(answered, "server"), ["envoy"], path);
      }
    },
  },
  {
    name: "a reply of a filter before it is changed too",
    config: http({
      filters: [
        extension("first", "envoy.extensions.filters.http.rbac.v3.RBAC", { rules: {} }),
        mutation({ response_mutations: [append("x-a", "1")] }),
      ],
      routes: [
        route(
          { prefix: "/" },
          { ...direct("ok"), ...perRoute({ response_mutations: [append("x-b", "1")] }) },
        ),
      ],
    }),
    run: async (t) => {
      const answered = await t.get("/");
      assert.equal(answered.status, 403);
      assert.deepEqual([got(answered, "x-a"), got(answered, "x-b")], [["1"], ["1"]]);
    },
  },
  {
    name: "response trailers are changed",
    config: http({
      filters: [
        mutation({
          response_trailers_mutations: [remove("x-a"), append("x-b", "%RESPONSE_CODE%")],
        }),
      ],
      manager: { http_protocol_options: { enable_trailers: true } },
      clusters: [upstreamCodec({ enable_trailers: true })],
    }),
    upstream: answer(
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-a: 1\r\nx-c: 3\r\n\r\n",
    ),
    run: async (t) => {
      const answered = await t.get("/");
      assert.deepEqual(answered.trailers, [
        ["x-c", "3"],
        ["x-b", "200"],
      ]);
    },
  },
];

const three = (mostSpecificWins: boolean): ParityCase => ({
  name: mostSpecificWins
    ? "most_specific_header_mutations_wins has the route's mutations last"
    : "the route's mutations come before those of its virtual host and configuration",
  config: http({
    filters: [
      mutation(
        {
          request_mutations: [append("x-a", "filter")],
          response_mutations: [append("x-a", "filter", "OVERWRITE_IF_EXISTS_OR_ADD")],
        },
        { most_specific_header_mutations_wins: mostSpecificWins },
      ),
    ],
    routeConfig: level("config"),
    virtualHosts: [
      virtualHost(
        "all",
        ["*"],
        [route({ prefix: "/" }, { ...toCluster(), ...level("route") })],
        level("host"),
      ),
    ],
  }),
  upstream: answer(response(200, "ok")),
  run: async (t) => {
    const answered = await t.get("/");
    const order = ["route", "host", "config"];
    if (mostSpecificWins) order.reverse();
    assert.deepEqual(sent(t, "x-a"), ["filter", ...order]);
    assert.deepEqual(got(answered, "x-a"), [order[2]]);
  },
});

const level = (name: string): JsonObject =>
  perRoute({
    request_mutations: [append("x-a", name)],
    response_mutations: [append("x-a", name, "OVERWRITE_IF_EXISTS_OR_ADD")],
  });

const refused = (name: string, config: JsonObject, reason: RegExp): ParityCase => ({
  name,
  config: http({ filters: [mutation(config)], routes: [route({ prefix: "/" }, direct("ok"))] }),
  own: { start: false },
  run: async (t) => {
    const { code, output } = await t.command("--mode", "validate");
    assert.equal(code, 1, output);
    assert.match(output, reason);
  },
});

const levels: readonly ParityCase[] = [
  three(false),
  three(true),
  refused(
    "refuses an unknown operator",
    { request_mutations: [append("x-a", "%NOTHING%")] },
    /NOTHING/,
  ),
  ...[":path", "host", ":status"].map((name) =>
    refused(
      `refuses to change ${name}`,
      { request_mutations: [append(name, "x")] },
      /:-prefixed or host headers may not be modified/,
    ),
  ),
];

parityArea("header-mutation", [...actions, ...requestCases, ...responseCases, ...levels]);

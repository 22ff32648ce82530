import assert from "node:assert/strict";
import { answer, response } from "../../testkit/fake-upstream.ts";
import { parityArea } from "./harness/area.ts";
import { direct, header, http, type JsonObject, route, toCluster } from "./harness/config.ts";
import { headerLines } from "./harness/forwarded.ts";
import { closesSoon, lines } from "./harness/http1.ts";

const ok = answer(response(200, "ok"));
const reply = (config: JsonObject): JsonObject => ({ ...closesSoon, local_reply_config: config });
const onlyRoutes = [
  route({ path: "/d" }, direct("direct", 400)),
  route({ path: "/up" }, toCluster()),
];
const status = (value: number, op = "EQ"): JsonObject => ({
  status_code_filter: { comparison: { op, value: { default_value: value, runtime_key: "none" } } },
});
const text = (format: string, extra: JsonObject = {}): JsonObject => ({
  text_format_source: { inline_string: format },
  ...extra,
});
const mapper = (filter: JsonObject, extra: JsonObject): JsonObject => ({ filter, ...extra });
const h = (name: string, matcher: JsonObject): JsonObject => ({
  header_filter: { header: { name, ...matcher } },
});

parityArea("connection-manager-local-replies", [
  {
    name: "a mapper changes status, body and headers, in this order on the wire",
    config: http({
      manager: reply({
        mappers: [
          mapper(status(404), {
            status_code: 499,
            body: { inline_string: "mapped" },
            headers_to_add: [
              header("x-code", "%RESPONSE_CODE%"),
              header("x-path", "%REQ(:PATH)%"),
              header("content-type", "text/other", "OVERWRITE_IF_EXISTS_OR_ADD"),
              header("server", "mine"),
            ],
          }),
        ],
      }),
      routes: onlyRoutes,
    }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/none");
      assert.equal(got.startLine, "HTTP/1.1 499 Unknown");
      assert.equal(got.body, "mapped");
      assert.deepEqual(headerLines(got.raw), [
        "content-type: text/other",
        "x-code: 404",
        "x-path: /none",
        "server: envoy",
        "content-length: 6",
        "date: <date>",
      ]);
      assert.equal(await t.logLine(), "499 NR route_not_found");
      await t.stats({ "http.{case}.downstream_rq_4xx": 1 });
    },
  },
  {
    name: "the first mapper whose filter matches counts",
    config: http({
      manager: reply({
        mappers: [
          mapper(
            { and_filter: { filters: [status(400), h("x-a", { string_match: { exact: "1" } })] } },
            { status_code: 401 },
          ),
          mapper(
            {
              or_filter: {
                filters: [
                  h("x-b", { present_match: true }),
                  h(":path", { string_match: { prefix: "/none" } }),
                ],
              },
            },
            { status_code: 402 },
          ),
          mapper({ response_flag_filter: { flags: ["NR"] } }, { status_code: 403 }),
          mapper(status(400, "GE"), { status_code: 405 }),
        ],
      }),
      routes: onlyRoutes,
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/d", "x-a: 1", "x-b: 1")).status, 401);
      assert.equal((await t.get("/d", "x-b: 1")).status, 402);
      assert.equal((await t.get("/none")).status, 402);
      assert.equal((await t.get("/other")).status, 403);
      assert.equal((await t.get("/d")).status, 405);
      assert.equal((await t.get("/up")).status, 200);
    },
  },
  {
    name: "a response of the upstream is not a local reply",
    config: http({
      manager: reply({
        mappers: [mapper(status(404), { status_code: 499, body: { inline_string: "mapped" } })],
      }),
    }),
    upstream: answer(response(404, "theirs")),
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.status, 404);
      assert.equal(got.body, "theirs");
    },
  },
  {
    name: "body_format is for every local reply",
    config: http({
      manager: reply({
        body_format: text(
          "<%RESPONSE_CODE%|%LOCAL_REPLY_BODY%|%REQ(:path)%|%RESPONSE_CODE_DETAILS%>",
          { content_type: "text/html; charset=UTF-8" },
        ),
      }),
      routes: onlyRoutes,
    }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/none");
      assert.equal(got.body, "<404||/none|route_not_found>");
      assert.equal(got.header("content-type"), "text/html; charset=UTF-8");
      assert.equal((await t.get("/d")).body, "<400|direct|/d|direct_response>");
      assert.equal((await t.send(lines("GET / HTTP/1.1"))).body, "<400||/|missing_host_header>");
      assert.equal((await t.send("BAD\r\n\r\n")).body, "<400|Bad Request|-|http1.codec_error>");
    },
  },
  {
    name: "json_format keeps types and sorts names",
    config: http({
      manager: reply({
        body_format: {
          json_format: {
            z: "%LOCAL_REPLY_BODY%",
            code: "%RESPONSE_CODE%",
            text: "code %RESPONSE_CODE%",
            none: "%REQ(x-none)%",
            nested: { p: "%REQ(:PATH)%" },
            list: ["%PROTOCOL%", "x"],
          },
        },
      }),
      routes: onlyRoutes,
    }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/d");
      assert.equal(
        got.body,
        '{"code":400,"list":["HTTP/1.1","x"],"nested":{"p":"/d"},"none":null,"text":"code 400","z":"direct"}\n',
      );
      assert.equal(got.header("content-type"), "application/json");
      assert.equal(got.header("content-length"), String(got.body.length));
    },
  },
  {
    name: "a mapper's body_format_override goes before body_format",
    config: http({
      manager: reply({
        body_format: text("all: %LOCAL_REPLY_BODY%"),
        mappers: [
          mapper(status(400), {
            body: { inline_string: "new" },
            body_format_override: text("one: %LOCAL_REPLY_BODY%"),
          }),
        ],
      }),
      routes: onlyRoutes,
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/d")).body, "one: new");
      assert.equal((await t.get("/none")).body, "all: ");
    },
  },
  {
    name: "operators without a value",
    config: http({
      manager: reply({
        body_format: text("%REQ(x-none)%,%UPSTREAM_HOST%,%DOWNSTREAM_LOCAL_PORT%"),
        mappers: [],
      }),
      routes: onlyRoutes,
    }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/d");
      assert.equal(got.body.replace(/\d+/, "N"), "-,-,N");
    },
  },
  {
    name: "omit_empty_values",
    config: http({
      manager: reply({ body_format: text("[%REQ(x-none)%]", { omit_empty_values: true }) }),
      routes: onlyRoutes,
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/d")).body, "[]");
    },
  },
  {
    name: "content-type of a mapper",
    config: http({
      manager: reply({
        mappers: [
          mapper(h("x-a", { string_match: { exact: "1" } }), {
            headers_to_add: [header("content-type", "text/other")],
            body_format_override: text("formatted"),
          }),
          mapper(h("x-a", { string_match: { exact: "2" } }), {
            headers_to_add: [header("content-type", "text/other")],
          }),
          mapper(h("x-a", { string_match: { exact: "3" } }), {
            headers_to_add: [header("content-type", "text/other")],
            body_format_override: text("formatted", { content_type: "text/x" }),
          }),
          mapper(h("x-a", { string_match: { exact: "4" } }), {
            headers_to_add: [header("content-type", "text/other")],
            body: { inline_string: "b" },
          }),
        ],
      }),
      routes: onlyRoutes,
    }),
    upstream: ok,
    run: async (t) => {
      const types: (string | undefined)[] = [];
      for (const path of ["/d", "/none"])
        for (const value of [1, 2, 3, 4])
          types.push((await t.get(path, `x-a: ${value}`)).header("content-type"));
      const other = "text/other";
      assert.deepEqual(types, [other, other, other, other, other, undefined, other, other]);
    },
  },
  {
    name: "a HEAD request gets the headers of the mapped reply and no body",
    config: http({
      manager: reply({ body_format: text("mapped %RESPONSE_CODE%") }),
      routes: onlyRoutes,
    }),
    upstream: ok,
    run: async (t) => {
      const got = await t.send(lines("HEAD /d HTTP/1.1", "host: h"), { method: "HEAD" });
      assert.deepEqual(headerLines(got.raw), [
        "content-length: 10",
        "content-type: text/plain",
        "date: <date>",
        "server: envoy",
        "connection: close",
      ]);
    },
  },
  {
    name: "a gRPC request gets the mapped status and body as grpc fields",
    config: http({
      manager: reply({
        body_format: text("m %LOCAL_REPLY_BODY%"),
        mappers: [mapper(status(404), { status_code: 403, headers_to_add: [header("x-l", "1")] })],
      }),
      routes: onlyRoutes,
    }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/none", "content-type: application/grpc");
      assert.deepEqual(headerLines(got.raw), [
        "x-l: 1",
        "content-type: application/grpc",
        "grpc-status: 7",
        "grpc-message: m ",
        "date: <date>",
        "server: envoy",
        "content-length: 0",
      ]);
      const other = await t.get("/d", "content-type: application/grpc");
      assert.deepEqual(headerLines(other.raw), [
        "content-type: application/grpc",
        "grpc-status: 13",
        "grpc-message: m direct",
        "date: <date>",
        "server: envoy",
        "connection: close",
        "content-length: 0",
      ]);
      assert.deepEqual(await t.log(2), ["200 NR route_not_found", "200 - direct_response"]);
    },
  },
  {
    name: "header append actions of a mapper",
    config: http({
      manager: reply({
        mappers: [
          mapper(status(400), {
            headers_to_add: [
              header("x-a", "1"),
              header("x-a", "2"),
              header("x-b", "1"),
              header("x-b", "2", "OVERWRITE_IF_EXISTS_OR_ADD"),
              header("x-c", "1", "ADD_IF_ABSENT"),
              header("x-c", "2", "ADD_IF_ABSENT"),
              header("x-d", "1", "OVERWRITE_IF_EXISTS"),
              header("x-e", "%REQ(none)%"),
              { ...header("x-f", "%REQ(none)%"), keep_empty_value: true },
            ],
          }),
        ],
      }),
      routes: onlyRoutes,
    }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/d");
      assert.deepEqual(headerLines(got.raw), [
        "x-b: 2",
        "x-a: 1",
        "x-a: 2",
        "x-b: 1",
        "x-c: 1",
        "x-c: 2",
        "x-f: ",
        "content-length: 6",
        "content-type: text/plain",
        "date: <date>",
        "server: envoy",
        "connection: close",
      ]);
    },
  },
  {
    name: "an upstream that cannot be reached",
    config: http({
      manager: reply({
        mappers: [
          mapper(
            { response_flag_filter: { flags: ["UC"] } },
            {
              status_code: 520,
              body: { inline_string: "gone" },
              headers_to_add: [header("x-flags", "%RESPONSE_FLAGS%")],
            },
          ),
        ],
      }),
    }),
    upstream: async (connection) => {
      await connection.request();
      connection.reset();
    },
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.status, 520);
      assert.equal(got.body, "gone");
      assert.equal(got.header("x-flags"), "UC");
      assert.equal(
        await t.logLine(),
        "520 UC upstream_reset_before_response_started{connection_termination}",
      );
      await t.stats({
        "http.{case}.downstream_rq_5xx": 1,
        "cluster.{case}-main.upstream_rq_503": 1,
      });
    },
  },
  {
    name: "duration and runtime filters",
    config: http({
      manager: reply({
        mappers: [
          mapper(
            {
              duration_filter: {
                comparison: { op: "GE", value: { default_value: 100000, runtime_key: "none" } },
              },
            },
            { status_code: 501 },
          ),
          mapper({ not_health_check_filter: {} }, { status_code: 502 }),
        ],
      }),
      routes: onlyRoutes,
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/d")).status, 502);
    },
  },
  {
    name: "names and details of local replies",
    config: http({
      manager: { ...closesSoon, normalize_path: true },
      routes: onlyRoutes,
      logFormat:
        "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS%",
    }),
    upstream: ok,
    run: async (t) => {
      await t.get("/none");
      await t.get("/d");
      await t.send(lines("GET / HTTP/1.1"));
      await t.get("/a%00");
      await t.send(
        lines("GET /up HTTP/1.1", "host: h", "connection: upgrade", "upgrade: websocket"),
      );
      assert.deepEqual(await t.log(5), [
        "404 NR NoRouteFound route_not_found -",
        "400 - - direct_response -",
        "400 - - missing_host_header -",
        "400 - - path_normalization_failed -",
        "403 - - upgrade_failed -",
      ]);
    },
  },
]);

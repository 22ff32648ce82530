import assert from "node:assert/strict";
import { answer, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { direct, extension, http, type JsonObject, route, toCluster } from "./harness/config.ts";

const ok = answer(response(200, "ok", "x-num: 12", "x-r: one", "x-r: two"));
const fields = ["x-a: valueA", "x-empty:", "x-multi: 1", "x-multi: 2", "user-agent: curl"];

/** One request for `path`, one line in this format. */
function lineCase(
  name: string,
  logFormat: string,
  expected: string | RegExp,
  path = "/p/a?q=1%2f2&r=x",
): ParityCase {
  return {
    name,
    config: http({
      logFormat,
      routes: [route({ prefix: "/" }, { name: "main-route", ...toCluster() })],
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get(path, ...fields)).status, 200);
      const line = await t.logLine();
      if (typeof expected === "string") assert.equal(line, expected);
      else assert.match(line, expected);
    },
  };
}

const fileLog = (config: JsonObject, filter?: JsonObject): JsonObject => ({
  ...extension(
    "envoy.access_loggers.file",
    "envoy.extensions.access_loggers.file.v3.FileAccessLog",
    { path: "{log}", ...config },
  ),
  ...(filter === undefined ? {} : { filter }),
});

/** One request, one line of a logger of its own. */
function loggerCase(name: string, logger: JsonObject, expected: string | RegExp): ParityCase {
  return {
    name,
    config: http({ manager: { access_log: [logger] } }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/p?q", ...fields)).status, 200);
      const line = await t.logLine();
      if (typeof expected === "string") assert.equal(line, expected);
      else assert.match(line, expected);
    },
  };
}

/** Paths `/200` and `/404` with the filter: which codes were logged. */
function filterCase(name: string, filter: JsonObject, expected: readonly string[]): ParityCase {
  const format = { text_format_source: { inline_string: "%RESPONSE_CODE%\n" } };
  return {
    name,
    config: http({
      manager: {
        access_log: [
          fileLog({ log_format: format }, filter),
          // The last line of every case, so that what is not logged is known.
          fileLog(
            { log_format: { text_format_source: { inline_string: "end\n" } } },
            {
              status_code_filter: {
                comparison: { op: "EQ", value: { default_value: 299, runtime_key: "none" } },
              },
            },
          ),
        ],
      },
      routes: [
        route({ path: "/200" }, direct("a")),
        route({ path: "/end" }, direct("a", 299)),
        route({ path: "/503" }, direct("b", 503)),
      ],
    }),
    run: async (t) => {
      for (const path of ["/200", "/503", "/missing", "/end"]) await t.get(path);
      const logged = (await t.log(expected.length + 1)).filter((line) => line !== "299");
      assert.deepEqual(logged, [...expected, "end"]);
    },
  };
}

const status = (op: string, value: number): JsonObject => ({
  status_code_filter: { comparison: { op, value: { default_value: value, runtime_key: "none" } } },
});

const all = ["200", "503", "404"];
const formatter = (name: string, message: string): JsonObject =>
  extension(`envoy.formatter.${name}`, `envoy.extensions.formatter.${name}.v3.${message}`);
const comparison = (op: string, value: number): JsonObject => ({
  comparison: { op, value: { default_value: value, runtime_key: "parity.none" } },
});
const grpcStatus = (statuses: readonly string[], exclude = false): JsonObject => ({
  grpc_status_filter: { statuses, exclude },
});
const runtimeShare = (numerator: number): JsonObject => ({
  runtime_filter: { runtime_key: "parity.none", percent_sampled: { numerator } },
});
const metadataText = (text: string): JsonObject => ({
  filter: "f",
  path: [{ key: "k" }],
  value: { string_match: { prefix: text } },
});

parityArea("access-log", [
  lineCase(
    "headers, alternatives and truncation",
    "%REQ(nope)% %REQ(nope?x-a)% %REQ(X-A):3% [%REQ(x-empty)%] %REQ(x-multi)% %RESP(x-r)% [%REQ(:path):0%] [%REQ(x-empty?x-a)%] %REQ(n1?n2)% %TRAILER(x)% 100%%",
    "- valueA val [] 1 one [] [] - - 100%",
  ),
  lineCase(
    "pseudo headers",
    "%REQ(:method)% %REQ(:PATH)% %REQ(:authority)% %REQ(:scheme)% %RESP(:status)%",
    "GET /p/a?q=1%2f2&r=x host.test http 200",
  ),
  lineCase(
    "paths",
    "%PATH% %PATH(NQ)% %PATH(WQ:ORIG)% %PATH(NQ:ORIG_OR_PATH)%",
    "/p/a?q=1%2f2&r=x /p/a - /p/a",
  ),
  lineCase(
    "query parameters are decoded",
    "%QUERY_PARAM(q)% %QUERY_PARAM(q):2% %QUERY_PARAM(nope)% %QUERY_PARAMS%",
    "1/2 1/ - q=1%2f2&r=x",
  ),
  lineCase(
    "results",
    "%PROTOCOL% %UPSTREAM_PROTOCOL% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG% %BYTES_RECEIVED% %BYTES_SENT%",
    "HTTP/1.1 HTTP/1.1 200 via_upstream - - 0 2",
  ),
  lineCase(
    "durations are whole milliseconds",
    "%DURATION% %REQUEST_DURATION% %REQUEST_TX_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION% %ROUNDTRIP_DURATION% %COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    /^\d+ \d+ \d+ \d+ \d+ - \d+$/,
  ),
  lineCase(
    "start times",
    "%START_TIME% %START_TIME(%s.%3f)% %START_TIME(%Y/%m/%d %H:%M:%S.%6f)% %START_TIME(literal)%",
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \d{10}\.\d{3} \d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d\.\d{6} literal$/,
  ),
  lineCase(
    "addresses",
    "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%",
    /^127\.0\.0\.1 127\.0\.0\.1 127\.0\.0\.1:\d+ 127\.0\.0\.1:\d+ 127\.0\.0\.1 127\.0\.0\.1 \d+$/,
  ),
  lineCase(
    "names and what is absent",
    "%ROUTE_NAME% %VIRTUAL_CLUSTER_NAME% %UPSTREAM_TRANSPORT_FAILURE_REASON% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %DOWNSTREAM_TLS_VERSION% %REQUESTED_SERVER_NAME% %GRPC_STATUS% %ACCESS_LOG_TYPE% %ENVIRONMENT(SURELY_NOT_SET)% [%LOCAL_REPLY_BODY%]",
    "main-route - - 1 - - - DownstreamEnd - []",
  ),
  lineCase(
    "the first operator with a value",
    '%COALESCE({"operators":["REQUESTED_SERVER_NAME",{"command":"REQ","param":":authority"}]})%',
    "host.test",
  ),
  {
    ...lineCase("decoded line ends", "<%QUERY_PARAM(q)%>", "<1", "/?q=1%0aforged"),
    heddle: {
      difference: "Decoded query parameters in logs and headers",
      run: async (t) => {
        assert.equal((await t.get("/?q=1%0aforged")).status, 200);
        assert.equal(await t.logLine(), "<1\\x0aforged>");
      },
    },
  },
  loggerCase(
    "the default line",
    fileLog({}),
    /^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] "GET \/p\?q HTTP\/1\.1" 200 - 0 2 \d+ \d+ "-" "curl" "[0-9a-f-]{36}" "host\.test" "127\.0\.0\.1:\d+"$/,
  ),
  loggerCase(
    "JSON is typed and sorted",
    fileLog({
      log_format: {
        json_format: {
          z: "%RESPONSE_CODE%",
          a: "x%RESPONSE_CODE%",
          nest: { b: "%BYTES_SENT%", a: "%REQ(nope)%", l: ["%REQ(x-a)%", 1, true, null] },
          Z: "%REQ(x-a)%",
          mix: "[%REQ(nope)%]",
          num: 12.5,
          lit: 'a"b\\',
          tr: "%RESP(x-num)%",
        },
      },
    }),
    '{"Z":"valueA","a":"x200","lit":"a\\"b\\\\","mix":"[-]","nest":{"a":null,"b":2,"l":["valueA",1,true,null]},"num":12.5,"tr":"12","z":200}',
  ),
  loggerCase(
    "omit_empty_values in JSON",
    fileLog({
      log_format: {
        omit_empty_values: true,
        json_format: {
          z: "%RESPONSE_CODE%",
          nest: { a: "%REQ(nope)%" },
          mix: "[%REQ(nope)%]",
          l: ["%REQ(nope)%"],
          e: "",
          xe: "%REQ(x-empty)%",
        },
      },
    }),
    '{"e":"","l":[],"mix":"[]","xe":"","z":200}',
  ),
  loggerCase(
    "omit_empty_values in text",
    fileLog({
      log_format: {
        omit_empty_values: true,
        text_format_source: { inline_string: "[%REQ(nope)%] [%TRAILER(x)%] %REQ(x-a)%\n" },
      },
    }),
    "[] [] valueA",
  ),
  loggerCase(
    "REQ_WITHOUT_QUERY, where its formatter is named",
    fileLog({
      log_format: {
        text_format_source: {
          inline_string:
            "%REQ_WITHOUT_QUERY(:path)% %REQ_WITHOUT_QUERY(x-none?:path):2% %REQ_WITHOUT_QUERY(x-none)% %REQ_WITHOUT_QUERY(x-a)%\n",
        },
        formatters: [
          formatter("req_without_query", "ReqWithoutQuery"),
          formatter("metadata", "Metadata"),
        ],
      },
    }),
    "/p /p - valueA",
  ),
  loggerCase(
    "REQ_WITHOUT_QUERY in JSON",
    fileLog({
      log_format: {
        json_format: { path: "%REQ_WITHOUT_QUERY(:path)%" },
        formatters: [formatter("req_without_query", "ReqWithoutQuery")],
      },
    }),
    '{"path":"/p"}',
  ),
  loggerCase(
    "typed_json_format of the file logger",
    fileLog({ typed_json_format: { b: "%REQ(x-a)%", a: "%RESPONSE_CODE%" } }),
    '{"a":200,"b":"valueA"}',
  ),
  filterCase("status code filter", status("GE", 500), ["503"]),
  filterCase("and filter", { and_filter: { filters: [status("GE", 400), status("LE", 499)] } }, [
    "404",
  ]),
  filterCase("or filter", { or_filter: { filters: [status("EQ", 200), status("EQ", 404)] } }, [
    "200",
    "404",
  ]),
  filterCase("response flag filter", { response_flag_filter: { flags: ["NR"] } }, ["404"]),
  filterCase(
    "header filter",
    { header_filter: { header: { name: ":path", string_match: { exact: "/missing" } } } },
    ["404"],
  ),
  filterCase(
    "header filter of an absent header",
    { header_filter: { header: { name: "x-none", present_match: false } } },
    all,
  ),
  filterCase("grpc status filter takes the HTTP status for one", grpcStatus(["UNIMPLEMENTED"]), [
    "404",
  ]),
  filterCase("grpc status filter excludes", grpcStatus(["UNIMPLEMENTED"], true), ["200", "503"]),
  filterCase("runtime filter of all", runtimeShare(100), all),
  filterCase("runtime filter of none", runtimeShare(0), []),
  filterCase("duration filter", { duration_filter: comparison("GE", 0) }, all),
  filterCase("duration filter of long requests", { duration_filter: comparison("GE", 60_000) }, []),
  filterCase("status code filter NE", status("NE", 200), ["503", "404"]),
  filterCase("not health check filter", { not_health_check_filter: {} }, all),
  filterCase("traceable filter without tracing", { traceable_filter: {} }, []),
  filterCase("response flag filter without flags", { response_flag_filter: {} }, ["404"]),
  filterCase(
    "or in and",
    {
      and_filter: {
        filters: [
          { or_filter: { filters: [status("EQ", 200), status("EQ", 404)] } },
          { response_flag_filter: { flags: ["NR", "UH"] } },
        ],
      },
    },
    ["404"],
  ),
  filterCase(
    "metadata filter without the key matches",
    { metadata_filter: { matcher: metadataText("blue") } },
    all,
  ),
  filterCase(
    "metadata filter without the key, when that is no match",
    { metadata_filter: { matcher: metadataText("blue"), match_if_key_not_found: false } },
    [],
  ),
  filterCase("log type filter", { log_type_filter: { types: ["DownstreamEnd"] } }, all),
  filterCase(
    "log type filter of another type",
    { log_type_filter: { types: ["TcpUpstreamConnected"] } },
    [],
  ),
  filterCase(
    "log type filter excludes",
    {
      log_type_filter: { types: ["DownstreamEnd"], exclude: true },
    },
    [],
  ),
]);

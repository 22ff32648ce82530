import assert from "node:assert/strict";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { direct, extension, http, type JsonObject, route } from "./harness/config.ts";

/** Parsed CEL, as Envoy's configuration carries it. */
const attribute = (dotted: string): JsonObject => {
  const [first = "", ...fields] = dotted.split(".");
  return fields.reduce<JsonObject>((operand, field) => ({ select_expr: { operand, field } }), {
    ident_expr: { name: first },
  });
};
const text = (value: string): JsonObject => ({ const_expr: { string_value: value } });
const int = (value: number): JsonObject => ({ const_expr: { int64_value: value } });
const uint = (value: number): JsonObject => ({ const_expr: { uint64_value: value } });
const double = (value: number): JsonObject => ({ const_expr: { double_value: value } });
const bool = (value: boolean): JsonObject => ({ const_expr: { bool_value: value } });
const list = (...elements: readonly JsonObject[]): JsonObject => ({ list_expr: { elements } });
const call = (name: string, ...args: readonly JsonObject[]): JsonObject => ({
  call_expr: { function: name, args },
});
const method = (target: JsonObject, name: string, ...args: readonly JsonObject[]): JsonObject => ({
  call_expr: { target, function: name, args },
});
const equal = (a: JsonObject, b: JsonObject): JsonObject => call("_==_", a, b);
const not = (a: JsonObject): JsonObject => call("!_", a);
const and = (a: JsonObject, b: JsonObject): JsonObject => call("_&&_", a, b);
const or = (a: JsonObject, b: JsonObject): JsonObject => call("_||_", a, b);
const headerField = (name: string): JsonObject =>
  call("_[_]", attribute("request.headers"), text(name));
const has = (dotted: string): JsonObject => {
  const { select_expr } = attribute(dotted) as { select_expr: JsonObject };
  return { select_expr: { ...select_expr, test_only: true } };
};

const conditioned = (condition: JsonObject, more: JsonObject = {}): JsonObject =>
  extension("envoy.filters.http.rbac", "envoy.extensions.filters.http.rbac.v3.RBAC", {
    rules: {
      policies: {
        p: { permissions: [{ any: true }], principals: [{ any: true }], condition, ...more },
      },
    },
  });

type Expectation = readonly [path: string, fields: readonly string[], status: number];

const decides = (
  name: string,
  condition: JsonObject,
  expected: readonly Expectation[],
  more: {
    readonly manager?: JsonObject;
    readonly route?: JsonObject;
    readonly policy?: JsonObject;
  } = {},
): ParityCase => ({
  name,
  config: http({
    filters: [conditioned(condition, more.policy)],
    routes: [route({ prefix: "/" }, { ...direct("ok"), ...more.route })],
    ...(more.manager === undefined ? {} : { manager: more.manager }),
  }),
  run: async (t) => {
    const seen: Expectation[] = [];
    for (const [path, fields] of expected)
      seen.push([path, fields, (await t.get(path, ...fields)).status]);
    assert.deepEqual(seen, expected);
  },
});

/** Conditions that do not look at the request. */
const constant = (name: string, condition: JsonObject, status: number): ParityCase =>
  decides(name, condition, [["/", [], status]]);

const attributes: readonly ParityCase[] = [
  decides("request.path has the query", equal(attribute("request.path"), text("/a?b")), [
    ["/a?b", [], 200],
    ["/a", [], 403],
  ]),
  decides("request.url_path has not", equal(attribute("request.url_path"), text("/a")), [
    ["/a?b", [], 200],
    ["/b", [], 403],
  ]),
  decides("request.query", equal(attribute("request.query"), text("b=c&d")), [
    ["/a?b=c&d", [], 200],
    ["/a", [], 403],
  ]),
  decides(
    "request.query of a path without one is empty",
    equal(attribute("request.query"), text("")),
    [
      ["/a", [], 200],
      ["/a?", [], 200],
      ["/a?b", [], 403],
    ],
  ),
  constant("request.host", equal(attribute("request.host"), text("host.test")), 200),
  constant("request.scheme", equal(attribute("request.scheme"), text("http")), 200),
  constant("request.method", equal(attribute("request.method"), text("GET")), 200),
  constant("request.protocol", equal(attribute("request.protocol"), text("HTTP/1.1")), 200),
  decides("request.referer", equal(attribute("request.referer"), text("r")), [
    ["/", ["referer: r"], 200],
    ["/", [], 403],
  ]),
  decides(
    "request.referer when absent is not empty",
    not(equal(attribute("request.referer"), text("r"))),
    [
      ["/", ["referer: s"], 200],
      ["/", [], 403],
    ],
  ),
  decides("request.useragent", equal(attribute("request.useragent"), text("u")), [
    ["/", ["user-agent: u"], 200],
    ["/", [], 403],
  ]),
  decides("request.id", equal(attribute("request.id"), text("i")), [
    ["/", ["x-request-id: i"], 200],
    ["/", [], 403],
  ]),
  decides("request.headers", equal(headerField("x-a"), text("1")), [
    ["/", ["x-a: 1"], 200],
    ["/", ["x-a: 2"], 403],
    ["/", [], 403],
  ]),
  decides("request.headers joins repeated fields", equal(headerField("x-a"), text("1,2")), [
    ["/", ["x-a: 1", "x-a: 2"], 200],
    ["/", ["x-a: 1,2"], 200],
    ["/", ["x-a: 1"], 403],
  ]),
  decides("request.headers has any case", equal(headerField("X-A"), text("1")), [
    ["/", ["x-a: 1"], 200],
  ]),
  decides("request.headers has pseudo headers", equal(headerField(":path"), text("/a?b")), [
    ["/a?b", [], 200],
  ]),
  decides(
    "request.headers has no host but :authority",
    and(
      equal(headerField(":authority"), text("host.test")),
      equal(headerField("host"), text("host.test")),
    ),
    [["/", [], 200]],
  ),
  decides("request.headers by selection", equal(attribute("request.headers.accept"), text("1")), [
    ["/", ["accept: 1"], 200],
    ["/", [], 403],
  ]),
  decides("has() of a header", has("request.headers.accept"), [
    ["/", ["accept: 1"], 200],
    ["/", [], 403],
  ]),
  decides("has() of an attribute", has("request.referer"), [
    ["/", ["referer: 1"], 200],
    ["/", [], 403],
  ]),
  decides("in request.headers", call("@in", text("x-a"), attribute("request.headers")), [
    ["/", ["x-a: 1"], 200],
    ["/", [], 403],
  ]),
  decides(
    "size of request.headers",
    call("_>_", call("size", attribute("request.headers")), int(6)),
    [
      ["/", ["x-a: 1", "x-b: 1", "x-c: 1"], 200],
      ["/", [], 403],
    ],
  ),
  constant(
    "source.address has the port",
    method(attribute("source.address"), "matches", text("^127[.]0[.]0[.]1:[0-9]+$")),
    200,
  ),
  constant("source.port", call("_>_", attribute("source.port"), int(1)), 200),
  constant(
    "destination.address has the port",
    method(attribute("destination.address"), "startsWith", text("127.0.0.1:")),
    200,
  ),
  constant("destination.port", call("_>_", attribute("destination.port"), int(1)), 200),
  decides(
    "source.address heeds x-forwarded-for",
    method(attribute("source.address"), "startsWith", text("9.9.9.9:")),
    [["/", ["x-forwarded-for: 9.9.9.9"], 200]],
  ),
  constant("connection.mtls", not(attribute("connection.mtls")), 200),
  constant(
    "connection.requested_server_name",
    equal(attribute("connection.requested_server_name"), text("")),
    200,
  ),
  constant(
    "connection.tls_version is absent without TLS",
    not(equal(attribute("connection.tls_version"), text("x"))),
    403,
  ),
  constant("connection.id", call("_>_", attribute("connection.id"), uint(0)), 200),
  constant(
    "request.time is a timestamp",
    call("_>_", attribute("request.time"), call("timestamp", text("2020-01-01T00:00:00Z"))),
    200,
  ),
  constant(
    "request.time has parts",
    call("_>_", method(attribute("request.time"), "getFullYear"), int(2020)),
    200,
  ),
  constant("request.size", equal(attribute("request.size"), int(0)), 200),
  constant(
    "metadata of the stream",
    equal(
      call("_[_]", call("_[_]", attribute("metadata.filter_metadata"), text("no")), text("no")),
      text(""),
    ),
    403,
  ),
  constant("response attributes are absent", equal(attribute("response.code"), int(0)), 403),
];

const error = equal(headerField("x-none"), text(""));
const yes = bool(true);
const no = bool(false);

const operators: readonly ParityCase[] = [
  constant("an error is no match", error, 403),
  constant("nor is its opposite", not(error), 403),
  constant("error && false", not(and(error, no)), 200),
  constant("false && error", not(and(no, error)), 200),
  constant("error || true", or(error, yes), 200),
  constant("true || error", or(yes, error), 200),
  constant("error || false", or(error, no), 403),
  constant("what is not a bool is no match", text("true"), 403),
  constant(
    "conditional",
    call("_?_:_", equal(attribute("request.method"), text("GET")), yes, error),
    200,
  ),
  constant(
    "in a list",
    call("@in", attribute("request.method"), list(text("GET"), text("PUT"))),
    200,
  ),
  constant("in by its old name", call("_in_", attribute("request.method"), list(text("GET"))), 200),
  constant("not in a list", call("@in", attribute("request.method"), list(text("PUT"))), 403),
  constant(
    "in a list of other types",
    not(call("@in", attribute("request.method"), list(int(1)))),
    200,
  ),
  constant("startsWith", method(attribute("request.path"), "startsWith", text("/")), 200),
  constant(
    "startsWith as a function",
    call("startsWith", attribute("request.path"), text("/")),
    200,
  ),
  constant("endsWith", method(attribute("request.host"), "endsWith", text(".test")), 200),
  constant("contains", method(attribute("request.host"), "contains", text("t.t")), 200),
  decides("matches looks anywhere", method(attribute("request.path"), "matches", text("b+")), [
    ["/abc", [], 200],
    ["/acd", [], 403],
  ]),
  constant("int and uint compare", equal(int(1), uint(1)), 200),
  constant("int and double compare", call("_<_", int(1), double(1.5)), 200),
  constant("int and text do not", not(equal(int(1), text("1"))), 200),
  constant("int and text have no order", call("_<_", int(1), text("2")), 403),
  constant("sums", equal(call("_+_", int(1), call("_*_", int(2), int(3))), int(7)), 200),
  constant("whole division", equal(call("_/_", int(7), int(2)), int(3)), 200),
  constant("division by zero is an error", equal(call("_/_", int(7), int(0)), int(0)), 403),
  constant("remainder", equal(call("_%_", int(-7), int(2)), int(-1)), 200),
  constant("negation", equal(call("-_", int(1)), int(-1)), 200),
  constant(
    "int overflow is an error",
    not(equal(call("_+_", { const_expr: { int64_value: "9223372036854775807" } }, int(1)), int(0))),
    403,
  ),
  constant("text has no sum", equal(call("_+_", text("a"), text("b")), text("ab")), 403),
  constant("size of a text", equal(method(attribute("request.method"), "size"), int(3)), 200),
  constant("size of a list", equal(call("size", list(int(1), int(2))), int(2)), 200),
  constant("item of a list", equal(call("_[_]", list(int(1), int(2)), int(1)), int(2)), 200),
  constant(
    "lists are equal by their items",
    equal(list(int(1), text("a")), list(int(1), text("a"))),
    200,
  ),
  constant(
    "a map",
    equal(
      call(
        "_[_]",
        { struct_expr: { entries: [{ map_key: text("a"), value: int(1) }] } },
        text("a"),
      ),
      int(1),
    ),
    200,
  ),
  constant("int(text)", equal(call("int", text("12")), int(12)), 200),
  constant("double(text)", equal(call("double", text("1.5")), double(1.5)), 200),
  constant("text order", call("_<_", text("a"), text("b")), 200),
  constant(
    "null",
    equal(
      { const_expr: { null_value: "NULL_VALUE" } },
      { const_expr: { null_value: "NULL_VALUE" } },
    ),
    200,
  ),
  constant(
    "duration",
    call("_<_", call("duration", text("1s")), call("duration", text("1m"))),
    200,
  ),
];

const refused = (name: string, condition: JsonObject): ParityCase => ({
  name,
  config: http({
    filters: [conditioned(condition)],
    routes: [route({ prefix: "/" }, direct("ok"))],
  }),
  own: { start: false },
  run: async (t) => {
    const { code } = await t.command("--mode", "validate");
    assert.equal(code, 1);
  },
});

const refusals: readonly ParityCase[] = [
  refused("refuses comprehensions", {
    comprehension_expr: {
      iter_var: "x",
      iter_range: list(int(1)),
      accu_var: "r",
      accu_init: no,
      loop_condition: yes,
      loop_step: yes,
      result: { ident_expr: { name: "r" } },
    },
  }),
  refused("refuses an empty expression", {}),
  refused("refuses string()", equal(call("string", int(12)), text("12"))),
  refused("refuses lowerAscii()", equal(method(text("A"), "lowerAscii"), text("a"))),
  refused("refuses an unknown function", call("nothing", text("a"))),
  refused("refuses bad regex", method(attribute("request.path"), "matches", text("(?=a)"))),
];

parityArea("rbac-conditions", [...attributes, ...operators, ...refusals]);

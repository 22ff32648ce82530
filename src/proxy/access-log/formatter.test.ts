import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderList } from "#http/headers.ts";
import { RequestHead, ResponseHead } from "#http/message.ts";
import { ipAddress } from "#net/address.ts";
import { ResponseFlag } from "../response-flags.ts";
import { type DownstreamInfo, StreamInfo } from "../stream-info.ts";
import {
  compileHeaderFormat,
  compileSubstitutionFormatString,
  compileTextFormat,
  defaultLogFormat,
} from "./formatter.ts";
import { compileJsonFormat } from "./json-format.ts";
import { parseFormat } from "./parse-format.ts";
import { compileTimeFormat } from "./strftime.ts";

const downstream: DownstreamInfo = {
  connectionId: 7,
  local: ipAddress("127.0.0.1", 10000),
  directLocal: ipAddress("127.0.0.1", 10000),
  remote: ipAddress("10.0.0.9", 5555),
  directRemote: ipAddress("10.0.0.9", 5555),
  tls: undefined,
  requestedServerName: "evil\nname",
  listenerName: "main",
  filterChainName: "fc",
  listenerMetadata: { a: { b: "lm" } },
};

function sample(path = "/p/a?q=1%2f2&r=x"): StreamInfo {
  const info = new StreamInfo(downstream, 1795242824907.88, 100);
  info.protocol = 11;
  info.requestHead = new RequestHead(
    "GET",
    path,
    "h.test",
    11,
    new HeaderList(["x-a", "valueA", "x-empty", "", "user-agent", "curl", "x-bin", 'a\xff"\\\tb']),
  );
  info.responseHead = new ResponseHead(200, HeaderList.of({ "x-num": "12" }));
  info.responseCode = 200;
  info.responseCodeDetails = "via_upstream";
  info.bytesSent = 2;
  info.endMs = 101.9;
  info.routeMetadata = { a: { b: { c: [1, "x"], a: null, n: 1.5, i: 3 } } };
  return info;
}

function text(format: string, info = sample()): string {
  return compileTextFormat(format)(info);
}

test("the default line is Envoy's", () => {
  assert.equal(
    text(defaultLogFormat),
    '[2026-11-21T06:33:44.907Z] "GET /p/a?q=1%2f2&r=x HTTP/1.1" 200 - 0 2 1 - "-" "curl" "-" "h.test" "-"\n',
  );
});

const cases: readonly (readonly [string, string])[] = [
  ["100%%", "100%"],
  ["%REQ(nope?x-a)%", "valueA"],
  ["%REQ(X-A):3%", "val"],
  ["%REQ(:path):0%", ""],
  ["%REQ(x-empty?x-a)%", ""],
  ["%REQ(nope)%|%REQ(n1?n2)%", "-|-"],
  ["%PATH(NQ)% %PATH(WQ:PATH)% %PATH(WQ:ORIG)%", "/p/a /p/a?q=1%2f2&r=x -"],
  ["%QUERY_PARAM(q)% %QUERY_PARAM(q):2% %QUERY_PARAM(nope)%", "1/2 1/ -"],
  ["%RESPONSE_CODE%%DURATION%", "2001"],
  ["%START_TIME(%s.%3f)%", "1795242824.907"],
  ["%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_PORT%", "10.0.0.9:5555 10000"],
  ["%METADATA(ROUTE:a:b)%", '{"a":null,"c":[1,"x"],"i":3,"n":1.5}'],
  ["%METADATA(ROUTE:a:b):5%", '{"a":'],
  ["%METADATA(LISTENER:a:b)% %METADATA(ROUTE:a:a)%", "lm -"],
  ['%COALESCE({"operators":["ROUTE_NAME",{"command":"REQ","param":":authority"}]})%', "h.test"],
  ["%GRPC_STATUS% %GRPC_STATUS_NUMBER%", "- -"],
  ["%ENVIRONMENT(SURELY_NOT_SET_ANYWHERE)%", "-"],
  ["%REQUESTED_SERVER_NAME%", "invalid:evil_name"],
  ["café %REQ(x-a)%", "caf\xc3\xa9 valueA"],
];
for (const [format, expected] of cases) {
  test(`${format} is ${JSON.stringify(expected)}`, () => assert.equal(text(format), expected));
}

test("a client cannot forge a line by percent-encoding", () => {
  const info = sample("/?q=1%0a200%20forged");
  assert.equal(text("%QUERY_PARAM(q)%", info), "1\\x0a200 forged");
  assert.equal(compileHeaderFormat("%QUERY_PARAM(q)%")(info), "1\\x0a200 forged");
  assert.equal(json({ q: "%QUERY_PARAM(q)%" }, info), '{"q":"1\\n200 forged"}\n');
});

test("in headers, what is absent is nothing", () => {
  assert.equal(compileHeaderFormat("[%REQ(nope)%]")(sample()), "[]");
});

for (const [format, message] of [
  ["%NOTHING%", /Not supported field in StreamInfo: NOTHING/],
  ["%RESPONSE_CODE(x)%", /RESPONSE_CODE does not take any parameters or length/],
  ["%REQ%", /REQ requires parameters/],
  ["%REQ(a?b?c)%", /more than 1 alternative header/],
  ["50% off", /Couldn't find valid command at position 2/],
  ["%PATH(XX)%", /Invalid PATH option/],
  ["%START_TIME(%n)%", /newline/],
  ["%COALESCE(x)%", /COALESCE/],
] as const) {
  test(`${format} is refused`, () => assert.throws(() => compileTextFormat(format), message));
}

function json(format: object, info = sample(), omitEmptyValues = false): string {
  return compileJsonFormat(format, { omitEmptyValues })(info);
}

test("JSON has sorted keys and types", () => {
  const format = {
    z: "%RESPONSE_CODE%",
    a: "x%RESPONSE_CODE%",
    nest: { b: "%DURATION%", a: "%REQ(nope)%", l: ["%REQ(x-a)%", 1, true, null] },
    Z: "%REQ(x-a)%",
    mix: "[%REQ(nope)%]",
    n: 12.5,
    e: 1e-7,
    o: {},
    m: "%METADATA(ROUTE:a:b:c)%",
  };
  assert.equal(
    json(format),
    '{"Z":"valueA","a":"x200","e":1e-07,"m":[1,"x"],"mix":"[-]","n":12.5,' +
      '"nest":{"a":null,"b":1,"l":["valueA",1,true,null]},"o":{},"z":200}\n',
  );
});

test("omit_empty_values drops null and what is left empty", () => {
  const format = {
    z: "%RESPONSE_CODE%",
    nest: { a: "%REQ(nope)%" },
    mix: "[%REQ(nope)%]",
    l: ["%REQ(nope)%"],
    nul: null,
    e: "",
    xe: "%REQ(x-empty)%",
  };
  assert.equal(json(format, sample(), true), '{"e":"","l":[],"mix":"[]","xe":"","z":200}\n');
  assert.equal(json({ a: "%REQ(nope)%" }, sample(), true), "{}\n");
});

test("bytes that are not UTF-8 become escapes, UTF-8 stays", () => {
  assert.equal(json({ a: "%REQ(x-bin)%" }), '{"a":"a\\u00ff\\u0022\\u005c\\u0009b"}\n');
  const info = sample();
  info.requestHead?.headers.set("x-bin", 'caf\xc3\xa9"\t');
  assert.equal(json({ a: "%REQ(x-bin)%" }, info), '{"a":"caf\xc3\xa9\\"\\t"}\n');
});

test("gRPC status comes from trailers, headers or the HTTP status", () => {
  const info = sample();
  info.requestHead?.headers.add("content-type", "application/grpc+proto");
  info.responseCode = 503;
  const all = "%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)%";
  assert.equal(text(all, info), "Unavailable UNAVAILABLE 14");
  info.responseTrailers = HeaderList.of({ "grpc-status": "5" });
  assert.equal(text(all, info), "NotFound NOT_FOUND 5");
});

test("flags in both spellings", () => {
  const info = sample();
  info.responseFlags = ResponseFlag.upstreamConnectionFailure | ResponseFlag.noRouteFound;
  assert.equal(
    text("%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%", info),
    "UF,NR UpstreamConnectionFailure,NoRouteFound",
  );
});

test("strftime conversions are those of Envoy", () => {
  const at = (format: string): string => compileTimeFormat(format, "utc")(1795242824907.88);
  assert.equal(
    at("%a %A %b %B %c %d %e"),
    "Sat Saturday Nov November Sat Nov 21 06:33:44 2026 21 21",
  );
  assert.equal(at("%D %F %T %R %r"), "11/21/26 2026-11-21 06:33:44 06:33 06:33:44 AM");
  assert.equal(at("%H %I %p %j %k %l"), "06 06 AM 325  6  6");
  assert.equal(at("%y %m %M %S %U %u %w %W"), "26 11 33 44 46 6 6 46");
  assert.equal(at("%h %C %G %g %V"), "Nov 20 2026 26 47");
  assert.equal(
    at("%s %f %1f %9f %E3S %z %Ez %Z %Q"),
    "1795242824 907880000 9 907880000 44.907 +0000 +00:00 UTC %Q",
  );
  assert.equal(at("%E4Y %E*S %E*f"), "2026 44.90788 90788");
});

test("the cached second changes with the second", () => {
  const format = compileTimeFormat("%S.%3f", "utc");
  assert.deepEqual([0, 999, 1000, 59_999, 500].map(format), [
    "00.000",
    "00.999",
    "01.000",
    "59.999",
    "00.500",
  ]);
});

test("neighbouring literals are one piece", () => {
  assert.deepEqual(parseFormat("a%%b"), ["a%b"]);
});

test("a substitution format string knows its content type", () => {
  const jsonFormat = compileSubstitutionFormatString({ jsonFormat: { a: "%RESPONSE_CODE%" } });
  assert.equal(jsonFormat.contentType, "application/json");
  assert.equal(jsonFormat.format(sample()), '{"a":200}\n');
  const html = compileSubstitutionFormatString({
    textFormat: "<%REQ(x)%>",
    contentType: "text/html",
  });
  assert.deepEqual([html.contentType, html.format(sample())], ["text/html", "<->"]);
  const extension = { name: "x", typedConfig: { "@type": "type.googleapis.com/x" } };
  assert.throws(
    () => compileSubstitutionFormatString({ textFormat: "", formatters: [extension] }),
    /formatters/,
  );
});

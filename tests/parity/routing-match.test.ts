import assert from "node:assert/strict";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  direct,
  type HttpOptions,
  http,
  type JsonObject,
  route,
  virtualHost,
} from "./harness/config.ts";
import { get } from "./harness/context.ts";
import { lines } from "./harness/http1.ts";

/** Each request and the body (or, without a match, the status) of its answer. */
type Expectations = readonly (readonly [request: string, answer: string])[];

function matchCase(name: string, options: HttpOptions, expectations: Expectations): ParityCase {
  return {
    name,
    config: http(options),
    run: async (t) => {
      const client = await t.connect();
      const actual: (readonly [string, string])[] = [];
      for (const [request] of expectations) {
        const got = await client.exchange(request);
        actual.push([request, got.body === "" ? String(got.status) : got.body]);
      }
      assert.deepEqual(actual, expectations);
    },
  };
}

/** Two routes: what matches answers `yes`, the rest `no`. */
function matcherCase(name: string, match: JsonObject, expectations: Expectations): ParityCase {
  return matchCase(
    name,
    {
      routes: [
        route({ prefix: "/", ...match }, direct("yes")),
        route({ prefix: "/" }, direct("no")),
      ],
    },
    expectations,
  );
}

const path = (match: JsonObject) => ({
  routes: [route(match, direct("yes")), route({ prefix: "/" }, direct("no"))],
});
const header = (matcher: JsonObject) => ({ headers: [{ name: "x-a", ...matcher }] });
const host = (authority: string, target = "/") =>
  lines(`GET ${target} HTTP/1.1`, `host: ${authority}`);
const posted = (...fields: readonly string[]) =>
  lines("POST / HTTP/1.1", "host: h", "content-length: 0", ...fields);
const hosts = (...domains: readonly (readonly string[])[]): HttpOptions => ({
  virtualHosts: domains.map((list, index) =>
    virtualHost(`host-${index}`, list, [route({ prefix: "/" }, direct(list[0] ?? ""))]),
  ),
});

const virtualHosts: readonly ParityCase[] = [
  matchCase(
    "an exact domain beats a suffix, a prefix and the asterisk",
    hosts(["*"], ["www.*"], ["*.test.org"], ["www.test.org"]),
    [
      [host("www.test.org"), "www.test.org"],
      [host("other.test.org"), "*.test.org"],
      [host("www.test.com"), "www.*"],
      [host("nothing"), "*"],
    ],
  ),
  matchCase("a suffix domain beats a prefix domain", hosts(["www.*"], ["*.org"]), [
    [host("www.test.org"), "*.org"],
  ]),
  matchCase(
    "the longest suffix and the longest prefix win",
    hosts(["*.org"], ["*.test.org"], ["www.*"], ["www.test.*"]),
    [
      [host("a.test.org"), "*.test.org"],
      [host("a.b.test.org"), "*.test.org"],
      [host("a.org"), "*.org"],
      [host("www.test.de"), "www.test.*"],
      [host("www.other.de"), "www.*"],
    ],
  ),
  matchCase(
    "a suffix domain needs at least one character before it",
    hosts(["*.test.org"], ["*-x.org"]),
    [
      [host("test.org"), "404"],
      [host("a-x.org"), "*-x.org"],
      [host("-x.org"), "404"],
    ],
  ),
  matchCase("domains match in any case", hosts(["Host.Test"], ["*.UPPER.org"]), [
    [host("HOST.test"), "Host.Test"],
    [host("a.upper.ORG"), "*.UPPER.org"],
  ]),
  matchCase("a port in Host counts", hosts(["host.test"], ["host.test:8080"], ["*.suffix:81"]), [
    [host("host.test"), "host.test"],
    [host("host.test:8080"), "host.test:8080"],
    [host("host.test:80"), "404"],
    [host("a.suffix:81"), "*.suffix:81"],
  ]),
  matchCase(
    "ignore_port_in_host_matching leaves the port out",
    { ...hosts(["host.test"], ["*.suffix"]), routeConfig: { ignore_port_in_host_matching: true } },
    [
      [host("host.test:8080"), "host.test"],
      [host("a.suffix:1"), "*.suffix"],
      [host("[::1]:80"), "404"],
    ],
  ),
  matchCase(
    "strip_any_host_port strips it before matching",
    { ...hosts(["host.test"]), manager: { strip_any_host_port: true } },
    [[host("host.test:8080"), "host.test"]],
  ),
  matchCase(
    "strip_trailing_host_dot strips it before matching",
    { ...hosts(["host.test"]), manager: { strip_trailing_host_dot: true } },
    [
      [host("host.test."), "host.test"],
      [host("host.test.:80"), "404"],
    ],
  ),
  matchCase(
    "a virtual host with several domains",
    hosts(["one.test", "two.test", "*.three.test"]),
    [
      [host("two.test"), "one.test"],
      [host("a.three.test"), "one.test"],
    ],
  ),
  matchCase(
    "a virtual host without a matching route is final",
    {
      virtualHosts: [
        virtualHost("narrow", ["host.test"], [route({ prefix: "/only" }, direct("narrow"))]),
        virtualHost("wide", ["*"], [route({ prefix: "/" }, direct("wide"))]),
      ],
    },
    [
      [host("host.test", "/only"), "narrow"],
      [host("host.test", "/else"), "404"],
      [host("other.test", "/only"), "wide"],
    ],
  ),
];

const paths: readonly ParityCase[] = [
  matchCase(
    "the first route that matches wins",
    {
      routes: [
        route({ prefix: "/a/b" }, direct("long")),
        route({ prefix: "/a" }, direct("short")),
        route({ path: "/a/c" }, direct("never")),
      ],
    },
    [
      [get("/a/b"), "long"],
      [get("/a/c"), "short"],
      [get("/"), "404"],
    ],
  ),
  matchCase("a prefix matches without regard to segments", path({ prefix: "/pre" }), [
    [get("/pre"), "yes"],
    [get("/prefix/x?y"), "yes"],
    [get("/Pre"), "no"],
    [get("/a/pre"), "no"],
  ]),
  matchCase("a path matches exactly, without the query", path({ path: "/exact" }), [
    [get("/exact"), "yes"],
    [get("/exact?query"), "yes"],
    [get("/exact/"), "no"],
    [get("/exact%20"), "no"],
    [get("/EXACT"), "no"],
  ]),
  matchCase(
    "a regex matches the whole path, without the query",
    path({ safe_regex: { regex: "/[a-z]+/\\d{2}" } }),
    [
      [get("/ab/12"), "yes"],
      [get("/ab/12?c=/"), "yes"],
      [get("/ab/123"), "no"],
      [get("/x/ab/12"), "no"],
    ],
  ),
  matchCase("a regex has RE2's syntax", path({ safe_regex: { regex: "(?i)/(?P<name>abc)\\z" } }), [
    [get("/ABC"), "yes"],
    [get("/abcd"), "no"],
  ]),
  matchCase(
    "a regex that makes backtracking engines hang",
    path({ safe_regex: { regex: "/(a+)+b" } }),
    [
      [get(`/${"a".repeat(2000)}`), "no"],
      [get(`/${"a".repeat(2000)}b`), "yes"],
    ],
  ),
  matchCase("a separated prefix matches whole segments", path({ path_separated_prefix: "/api" }), [
    [get("/api"), "yes"],
    [get("/api/"), "yes"],
    [get("/api/v1?x"), "yes"],
    [get("/api?x"), "yes"],
    [get("/apis"), "no"],
    [get("/API"), "no"],
  ]),
  matchCase(
    "case_sensitive false holds for path, prefix and separated prefix",
    {
      routes: [
        route({ path: "/Exact", case_sensitive: false }, direct("path")),
        route({ path_separated_prefix: "/Segment", case_sensitive: false }, direct("segment")),
        route({ prefix: "/Prefix", case_sensitive: false }, direct("prefix")),
      ],
    },
    [
      [get("/eXACT"), "path"],
      [get("/sEGMENT/x"), "segment"],
      [get("/pREFIXES"), "prefix"],
    ],
  ),
];

const headers: readonly ParityCase[] = [
  matcherCase("a header that is present", header({ present_match: true }), [
    [get("/", "X-A:"), "yes"],
    [get("/", "x-a: 1"), "yes"],
    [get("/"), "no"],
  ]),
  matcherCase("a header that is absent", header({ present_match: false }), [
    [get("/", "x-a:"), "no"],
    [get("/"), "yes"],
  ]),
  matcherCase("a header matcher without a specifier means present", header({}), [
    [get("/", "x-a: 1"), "yes"],
    [get("/"), "no"],
  ]),
  matcherCase("a header of an exact value", header({ string_match: { exact: "one" } }), [
    [get("/", "x-a: one"), "yes"],
    [get("/", "x-a: One"), "no"],
    [get("/", "x-a: one two"), "no"],
    [get("/"), "no"],
  ]),
  matcherCase(
    "a header value in any case",
    header({ string_match: { exact: "One", ignore_case: true } }),
    [
      [get("/", "x-a: oNE"), "yes"],
      [get("/", "x-a: two"), "no"],
    ],
  ),
  matcherCase("a header of a prefix", header({ string_match: { prefix: "one" } }), [
    [get("/", "x-a: one two"), "yes"],
    [get("/", "x-a: two one"), "no"],
  ]),
  matcherCase("a header of a suffix", header({ string_match: { suffix: "one" } }), [
    [get("/", "x-a: two one"), "yes"],
    [get("/", "x-a: one two"), "no"],
  ]),
  matcherCase(
    "a header that contains",
    header({ string_match: { contains: "ONE", ignore_case: true } }),
    [
      [get("/", "x-a: two one two"), "yes"],
      [get("/", "x-a: two"), "no"],
    ],
  ),
  matcherCase(
    "a header regex matches the whole value",
    header({ string_match: { safe_regex: { regex: "a|b+" } } }),
    [
      [get("/", "x-a: bbb"), "yes"],
      [get("/", "x-a: ab"), "no"],
    ],
  ),
  matcherCase(
    "a range has an open end and wants an integer",
    header({ range_match: { start: -10, end: 10 } }),
    [
      [get("/", "x-a: -10"), "yes"],
      [get("/", "x-a: 9"), "yes"],
      [get("/", "x-a: 10"), "no"],
      [get("/", "x-a: 1.5"), "no"],
      [get("/", "x-a: 5a"), "no"],
      [get("/", "x-a:"), "no"],
    ],
  ),
  matcherCase(
    "invert_match turns the result round",
    header({ string_match: { exact: "one" }, invert_match: true }),
    [
      [get("/", "x-a: one"), "no"],
      [get("/", "x-a: two"), "yes"],
      [get("/"), "no"],
    ],
  ),
  matcherCase(
    "invert_match of an absent header",
    header({ present_match: true, invert_match: true }),
    [
      [get("/", "x-a: one"), "no"],
      [get("/"), "yes"],
    ],
  ),
  matcherCase(
    "treat_missing_header_as_empty lets an absent header be compared",
    header({
      string_match: { exact: "one" },
      invert_match: true,
      treat_missing_header_as_empty: true,
    }),
    [
      [get("/"), "yes"],
      [get("/", "x-a: one"), "no"],
    ],
  ),
  matcherCase("one of several values is enough", header({ string_match: { exact: "two" } }), [
    [get("/", "x-a: one", "x-a: two"), "yes"],
    [get("/", "x-a: two", "x-b: 1", "x-a: one"), "yes"],
    [get("/", "x-a: one, two"), "no"],
    [get("/", "x-a: one", "x-a: three"), "no"],
  ]),
  matcherCase(
    "an inverted matcher wants that none of several values matches",
    header({ string_match: { exact: "two" }, invert_match: true }),
    [
      [get("/", "x-a: one", "x-a: two"), "no"],
      [get("/", "x-a: one", "x-a: three"), "yes"],
    ],
  ),
  matcherCase(
    "all header matchers must agree",
    {
      headers: [
        { name: "x-a", present_match: true },
        { name: "x-b", string_match: { exact: "1" } },
      ],
    },
    [
      [get("/", "x-a: 1", "x-b: 1"), "yes"],
      [get("/", "x-a: 1"), "no"],
      [get("/", "x-b: 1"), "no"],
    ],
  ),
  matcherCase(
    "method, authority and path are headers",
    {
      headers: [
        { name: ":method", string_match: { exact: "PUT" } },
        { name: ":authority", string_match: { suffix: ".test" } },
        { name: ":path", string_match: { contains: "?q=" } },
      ],
    },
    [
      [lines("PUT /?q=1 HTTP/1.1", "host: a.test", "content-length: 0"), "yes"],
      [lines("GET /?q=1 HTTP/1.1", "host: a.test"), "no"],
      [lines("PUT / HTTP/1.1", "host: a.test", "content-length: 0"), "no"],
    ],
  ),
  matcherCase(
    "the deprecated header specifiers still work",
    {
      headers: [
        { name: "x-a", exact_match: "one" },
        { name: "x-b", prefix_match: "t" },
        { name: "x-c", safe_regex_match: { regex: "t.*" } },
      ],
    },
    [
      [get("/", "x-a: one", "x-b: two", "x-c: three"), "yes"],
      [get("/", "x-a: one", "x-b: two", "x-c: four"), "no"],
    ],
  ),
];

const others: readonly ParityCase[] = [
  matcherCase(
    "a query parameter that is present",
    { query_parameters: [{ name: "q", present_match: true }] },
    [
      [get("/?q"), "yes"],
      [get("/?a=1&q=2"), "yes"],
      [get("/?qq=1"), "no"],
      [get("/"), "no"],
    ],
  ),
  matcherCase(
    "a query parameter's value",
    { query_parameters: [{ name: "q", string_match: { exact: "1" } }] },
    [
      [get("/?q=1"), "yes"],
      [get("/?q=2&q=1"), "no"],
      [get("/?q=1&q=2"), "yes"],
      [get("/?q=%31"), "no"],
      [get("/?q=11"), "no"],
    ],
  ),
  matcherCase(
    "a query parameter's regex",
    { query_parameters: [{ name: "q", string_match: { safe_regex: { regex: "\\d+" } } }] },
    [
      [get("/?q=123"), "yes"],
      [get("/?q=12a"), "no"],
    ],
  ),
  matcherCase(
    "a runtime fraction of 100 % always matches",
    { runtime_fraction: { default_value: { numerator: 100 } } },
    [
      [get("/"), "yes"],
      [get("/"), "yes"],
    ],
  ),
  matcherCase(
    "a runtime fraction of 0 % never matches",
    { runtime_fraction: { default_value: { numerator: 0 } } },
    [
      [get("/"), "no"],
      [get("/"), "no"],
    ],
  ),
  matchCase(
    "grpc wants gRPC's content type",
    {
      routes: [
        route({ prefix: "/", grpc: {} }, direct("yes", 201)),
        route({ prefix: "/" }, direct("no")),
      ],
    },
    [
      // The answer to a gRPC request is in gRPC's form: no body.
      [posted("content-type: application/grpc"), "200"],
      [posted("content-type: application/grpc+proto"), "200"],
      [posted("content-type: application/grpc-web"), "no"],
      [posted(), "no"],
    ],
  ),
  matcherCase("tls_context never matches on plaintext", { tls_context: { presented: true } }, [
    [get("/"), "no"],
  ]),
];

parityArea("routing-match", [...virtualHosts, ...paths, ...headers, ...others]);

import assert from "node:assert/strict";
import { answer, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { direct, http, type JsonObject, route, toCluster, virtualHost } from "./harness/config.ts";
import { get } from "./harness/context.ts";
import { forwardedLine } from "./harness/forwarded.ts";
import { closesSoon, lines } from "./harness/http1.ts";

const ok = answer(response(200, "ok"));

// What the rules are about: dot segments, slashes, escapes, and what looks like them.
const sent = [
  "/a/../b",
  "/a/./b",
  "/a//b",
  "/a/%2e%2e/b",
  "/%61",
  "/a%2fb",
  "/a%5cb",
  "/a\\b",
  "/../..",
  "/a/b/..",
  "/a/b/.",
  "/.",
  "/..",
  "//",
  "/a/..//b",
  "/a//../b",
  "//../a",
  "/%7e%41",
  "/a%2Fb?x=%2f/../c",
  "/a;b/../c",
  "/a%00b",
  "/a%zz",
  "/a%",
  "/a%2",
  "/a?b=//c/../d",
  "/%2E%2e/a",
  "/a/%2e",
  '/a|b^c{}"<>`',
  "/a%20b",
  "/?",
  "/a?",
  "/a/...",
  "/a/..b",
  "/%252e%252e/b",
  "/a%2f..%2fb",
  "/a%5c..%5cb",
  "/a/%2f/b",
  "/a/b%2f",
  "/a%2f%2fb",
  "//a",
  "/a//",
  "///",
  "/a///b//c/",
  "/a#b",
  "/a?b#c",
];

/** All of `sent`; those that do not arrive as they are. A number is a refusal, `-> x` a redirect. */
const paths = (
  name: string,
  manager: JsonObject,
  changed: Readonly<Record<string, string | number>>,
): ParityCase => ({
  name,
  config: http({ manager: { ...closesSoon, ...manager } }),
  upstream: ok,
  run: async (t) => {
    const actual: Record<string, string | number> = {};
    for (const path of sent) {
      const got = await t.get(path);
      const location = got.header("location");
      const outcome =
        got.status === 200
          ? forwardedLine(t).slice(4, -9)
          : location === undefined
            ? got.status
            : `-> ${location}`;
      if (outcome !== path) actual[path] = outcome;
    }
    // Fragments are refused, whatever the configuration.
    assert.deepEqual(actual, { "/a#b": 400, "/a?b#c": 400, ...changed });
  },
});

/** Each Host as it is sent, and what the upstream gets. */
const hosts = (
  name: string,
  manager: JsonObject,
  expected: Readonly<Record<string, string>>,
): ParityCase => ({
  name,
  config: http({ manager }),
  upstream: ok,
  run: async (t) => {
    const actual: Record<string, string> = {};
    for (const host of Object.keys(expected)) {
      const own = host.replace("OWN", String(portOf(t.address())));
      const got = await t.send(lines("GET / HTTP/1.1", `host: ${own}`));
      const seen =
        t
          .upstream()
          .requests.at(-1)
          ?.raw.match(/^host: ?(.*)\r$/im)?.[1] ?? "";
      actual[host] =
        got.status === 200 ? seen.replace(String(portOf(t.address())), "OWN") : String(got.status);
    }
    assert.deepEqual(actual, expected);
  },
});

function portOf(address: object): number {
  return "port" in address ? Number(address.port) : 0;
}

parityArea("connection-manager-paths", [
  paths("paths are left alone by default", {}, {}),
  paths(
    "normalize_path",
    { normalize_path: true },
    {
      "/a/../b": "/b",
      "/a/./b": "/a/b",
      "/a/%2e%2e/b": "/b",
      "/%61": "/a",
      "/a\\b": "/a/b",
      "/../..": "/",
      "/a/b/..": "/a/",
      "/a/b/.": "/a/b/",
      "/.": "/",
      "/..": "/",
      "/a/..//b": "//b",
      "/a//../b": "/a/b",
      "//../a": "/a",
      "/%7e%41": "/~A",
      "/a;b/../c": "/c",
      "/a%00b": 400,
      "/%2E%2e/a": "/a",
      "/a/%2e": "/a/",
      '/a|b^c{}"<>`': "/a%7Cb%5Ec%7B%7D%22%3C%3E%60",
    },
  ),
  paths(
    "merge_slashes",
    { merge_slashes: true },
    {
      "/a//b": "/a/b",
      "/a/..//b": "/a/../b",
      "/a//../b": "/a/../b",
      "//../a": "/../a",
      "//a": "/a",
      "/a//": "/a/",
      "///": "//",
      "/a///b//c/": "/a/b/c/",
    },
  ),
  paths(
    "normalize_path and merge_slashes",
    { normalize_path: true, merge_slashes: true },
    {
      "/a/../b": "/b",
      "/a/./b": "/a/b",
      "/a//b": "/a/b",
      "/a/%2e%2e/b": "/b",
      "/%61": "/a",
      "/a\\b": "/a/b",
      "/../..": "/",
      "/a/b/..": "/a/",
      "/a/b/.": "/a/b/",
      "/.": "/",
      "/..": "/",
      "/a/..//b": "/b",
      "/a//../b": "/a/b",
      "//../a": "/a",
      "/%7e%41": "/~A",
      "/a;b/../c": "/c",
      "/a%00b": 400,
      "/%2E%2e/a": "/a",
      "/a/%2e": "/a/",
      '/a|b^c{}"<>`': "/a%7Cb%5Ec%7B%7D%22%3C%3E%60",
      "//a": "/a",
      "/a//": "/a/",
      "///": "//",
      "/a///b//c/": "/a/b/c/",
    },
  ),
  paths(
    "escaped slashes REJECT_REQUEST",
    { path_with_escaped_slashes_action: "REJECT_REQUEST" },
    {
      "/a%2fb": 400,
      "/a%5cb": 400,
      "/a%2Fb?x=%2f/../c": 400,
      "/a%2f..%2fb": 400,
      "/a%5c..%5cb": 400,
      "/a/%2f/b": 400,
      "/a/b%2f": 400,
      "/a%2f%2fb": 400,
    },
  ),
  paths(
    "escaped slashes UNESCAPE_AND_REDIRECT",
    { path_with_escaped_slashes_action: "UNESCAPE_AND_REDIRECT" },
    {
      "/a%2fb": "-> /a/b",
      "/a%5cb": "-> /a\\b",
      "/a%2Fb?x=%2f/../c": "-> /a/b?x=%2f/../c",
      "/a%2f..%2fb": "-> /a/../b",
      "/a%5c..%5cb": "-> /a\\..\\b",
      "/a/%2f/b": "-> /a///b",
      "/a/b%2f": "-> /a/b/",
      "/a%2f%2fb": "-> /a//b",
    },
  ),
  paths(
    "escaped slashes UNESCAPE_AND_REDIRECT, normalized",
    {
      path_with_escaped_slashes_action: "UNESCAPE_AND_REDIRECT",
      normalize_path: true,
      merge_slashes: true,
    },
    {
      "/a/../b": "/b",
      "/a/./b": "/a/b",
      "/a//b": "/a/b",
      "/a/%2e%2e/b": "/b",
      "/%61": "/a",
      "/a%2fb": "-> /a/b",
      "/a%5cb": "-> /a/b",
      "/a\\b": "/a/b",
      "/../..": "/",
      "/a/b/..": "/a/",
      "/a/b/.": "/a/b/",
      "/.": "/",
      "/..": "/",
      "/a/..//b": "/b",
      "/a//../b": "/a/b",
      "//../a": "/a",
      "/%7e%41": "/~A",
      "/a%2Fb?x=%2f/../c": "-> /a/b?x=%2f/../c",
      "/a;b/../c": "/c",
      "/a%00b": 400,
      "/%2E%2e/a": "/a",
      "/a/%2e": "/a/",
      '/a|b^c{}"<>`': "/a%7Cb%5Ec%7B%7D%22%3C%3E%60",
      "/a%2f..%2fb": "-> /b",
      "/a%5c..%5cb": "-> /b",
      "/a/%2f/b": "-> /a/b",
      "/a/b%2f": "-> /a/b/",
      "/a%2f%2fb": "-> /a/b",
      "//a": "/a",
      "/a//": "/a/",
      "///": "//",
      "/a///b//c/": "/a/b/c/",
    },
  ),
  paths(
    "escaped slashes UNESCAPE_AND_FORWARD",
    { path_with_escaped_slashes_action: "UNESCAPE_AND_FORWARD" },
    {
      "/a%2fb": "/a/b",
      "/a%5cb": "/a\\b",
      "/a%2Fb?x=%2f/../c": "/a/b?x=%2f/../c",
      "/a%2f..%2fb": "/a/../b",
      "/a%5c..%5cb": "/a\\..\\b",
      "/a/%2f/b": "/a///b",
      "/a/b%2f": "/a/b/",
      "/a%2f%2fb": "/a//b",
    },
  ),
  paths(
    "escaped slashes UNESCAPE_AND_FORWARD, normalized and merged",
    {
      path_with_escaped_slashes_action: "UNESCAPE_AND_FORWARD",
      normalize_path: true,
      merge_slashes: true,
    },
    {
      "/a/../b": "/b",
      "/a/./b": "/a/b",
      "/a//b": "/a/b",
      "/a/%2e%2e/b": "/b",
      "/%61": "/a",
      "/a%2fb": "/a/b",
      "/a%5cb": "/a/b",
      "/a\\b": "/a/b",
      "/../..": "/",
      "/a/b/..": "/a/",
      "/a/b/.": "/a/b/",
      "/.": "/",
      "/..": "/",
      "/a/..//b": "/b",
      "/a//../b": "/a/b",
      "//../a": "/a",
      "/%7e%41": "/~A",
      "/a%2Fb?x=%2f/../c": "/a/b?x=%2f/../c",
      "/a;b/../c": "/c",
      "/a%00b": 400,
      "/%2E%2e/a": "/a",
      "/a/%2e": "/a/",
      '/a|b^c{}"<>`': "/a%7Cb%5Ec%7B%7D%22%3C%3E%60",
      "/a%2f..%2fb": "/b",
      "/a%5c..%5cb": "/b",
      "/a/%2f/b": "/a/b",
      "/a/b%2f": "/a/b/",
      "/a%2f%2fb": "/a/b",
      "//a": "/a",
      "/a//": "/a/",
      "///": "//",
      "/a///b//c/": "/a/b/c/",
    },
  ),
  paths(
    "escaped slashes KEEP_UNCHANGED, normalized",
    { path_with_escaped_slashes_action: "KEEP_UNCHANGED", normalize_path: true },
    {
      "/a/../b": "/b",
      "/a/./b": "/a/b",
      "/a/%2e%2e/b": "/b",
      "/%61": "/a",
      "/a\\b": "/a/b",
      "/../..": "/",
      "/a/b/..": "/a/",
      "/a/b/.": "/a/b/",
      "/.": "/",
      "/..": "/",
      "/a/..//b": "//b",
      "/a//../b": "/a/b",
      "//../a": "/a",
      "/%7e%41": "/~A",
      "/a;b/../c": "/c",
      "/a%00b": 400,
      "/%2E%2e/a": "/a",
      "/a/%2e": "/a/",
      '/a|b^c{}"<>`': "/a%7Cb%5Ec%7B%7D%22%3C%3E%60",
    },
  ),
  {
    name: "routes match the normalized path",
    config: http({
      manager: { normalize_path: true, merge_slashes: true },
      routes: [
        route({ path: "/admin/x" }, direct("admin")),
        route({ prefix: "/" }, direct("other")),
      ],
    }),
    run: async (t) => {
      assert.equal((await t.get("/public/../admin//%78")).body, "admin");
    },
  },
  {
    name: "redirects are made of the normalized path",
    config: http({
      manager: { normalize_path: true, merge_slashes: true },
      routes: [route({ prefix: "/" }, { redirect: { host_redirect: "other.test" } })],
    }),
    run: async (t) => {
      assert.equal(
        (await t.get("/a/../b//c?d=..//")).header("location"),
        "http://other.test/b/c?d=..//",
      );
    },
  },
  {
    name: "refused and redirected paths are logged and counted",
    config: http({
      manager: {
        ...closesSoon,
        path_with_escaped_slashes_action: "UNESCAPE_AND_REDIRECT",
        normalize_path: true,
      },
    }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      const redirected = await client.exchange(get("/a%2fb"));
      assert.equal(redirected.status, 307);
      assert.equal(redirected.header("connection"), undefined);
      const refused = await client.exchange(get("/a%00b"));
      assert.equal(refused.status, 400);
      assert.equal(refused.header("connection"), "close");
      await client.ended();
      assert.deepEqual(await t.log(2), [
        "307 - path_normalization_failed",
        "400 - path_normalization_failed",
      ]);
      await t.stats({
        "http.{case}.downstream_rq_redirected_with_normalized_path": 1,
        "http.{case}.downstream_rq_failed_path_normalization": 1,
        "http.{case}.downstream_rq_3xx": 1,
        "http.{case}.downstream_rq_4xx": 1,
      });
    },
  },
  {
    name: "a gRPC request is not redirected but refused",
    config: http({
      manager: {
        ...closesSoon,
        path_with_escaped_slashes_action: "UNESCAPE_AND_REDIRECT",
        normalize_path: true,
      },
    }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/a%2fb", "content-type: application/grpc");
      assert.equal(got.status, 200);
      assert.equal(got.header("grpc-status"), "13");
      assert.equal(got.header("location"), undefined);
      assert.equal(got.header("connection"), "close");
      assert.equal(await t.logLine(), "200 - path_normalization_failed");
    },
  },
  hosts(
    "hosts are left alone by default",
    {},
    {
      "a.test": "a.test",
      "a.test:80": "a.test:80",
      "a.test:OWN": "a.test:OWN",
      "a.test.": "a.test.",
      "A.Test": "A.Test",
    },
  ),
  hosts(
    "strip_matching_host_port",
    { strip_matching_host_port: true },
    {
      "a.test:80": "a.test:80",
      "a.test:OWN": "a.test",
      "a.test.:OWN": "a.test.",
      "[::1]:OWN": "[::1]",
      "[::1]": "[::1]",
      "a.test:": "a.test:",
    },
  ),
  hosts(
    "strip_any_host_port",
    { strip_any_host_port: true },
    {
      "a.test:80": "a.test",
      "a.test:OWN": "a.test",
      "a.test:abc": "a.test:abc",
      "[::1]:80": "[::1]",
      "[::1]": "[::1]",
      "a.test:": "a.test:",
      "a:b:80": "a:b",
    },
  ),
  hosts(
    "strip_trailing_host_dot",
    { strip_trailing_host_dot: true },
    {
      "a.test.": "a.test",
      "a.test.:80": "a.test:80",
      "a.test..": "a.test.",
      "a.test": "a.test",
      ".": "",
    },
  ),
  hosts(
    "strip_trailing_host_dot and strip_any_host_port",
    { strip_trailing_host_dot: true, strip_any_host_port: true },
    { "a.test.": "a.test", "a.test.:80": "a.test" },
  ),
  {
    name: "a stripped host finds its virtual host",
    config: http({
      manager: { strip_any_host_port: true, strip_trailing_host_dot: true },
      virtualHosts: [
        virtualHost("a", ["a.test"], [route({ prefix: "/" }, direct("a"))]),
        virtualHost("all", ["*"], [route({ prefix: "/" }, toCluster())]),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.send(lines("GET / HTTP/1.1", "host: a.test.:81"))).body, "a");
    },
  },
]);

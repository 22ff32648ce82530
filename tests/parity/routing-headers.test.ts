import assert from "node:assert/strict";
import { answer, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  direct,
  type HttpOptions,
  header,
  http,
  type JsonObject,
  route,
  toCluster,
  virtualHost,
} from "./harness/config.ts";
import { type CaseContext, get } from "./harness/context.ts";
import { lines } from "./harness/http1.ts";

const ok = answer(response(200, "ok"));

/** Values of one field as the upstream saw them in the last request. */
function sent(t: CaseContext, name: string): readonly string[] {
  const fields = t.upstream().requests.at(-1)?.fields ?? [];
  return fields.filter(([field]) => field === name).map(([, value]) => value);
}

/** A route with these mutations, one GET with these fields, and the values of `x-a` that the upstream saw. */
function requestCase(
  name: string,
  mutations: JsonObject,
  fields: readonly string[],
  expected: readonly string[],
): ParityCase {
  return {
    name,
    config: http({ routes: [route({ prefix: "/" }, { ...toCluster(), ...mutations })] }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/path?query=1", ...fields)).status, 200);
      assert.deepEqual(sent(t, "x-a"), expected);
    },
  };
}

/** The same for a response of the upstream with these fields. */
function responseCase(
  name: string,
  mutations: JsonObject,
  fields: readonly string[],
  expected: readonly string[],
): ParityCase {
  return {
    name,
    config: http({ routes: [route({ prefix: "/" }, { ...toCluster(), ...mutations })] }),
    upstream: answer(response(200, "ok", ...fields)),
    run: async (t) => {
      const got = await t.get("/");
      const values = got.fields.filter(([field]) => field === "x-a").map(([, value]) => value);
      assert.deepEqual(values, expected);
    },
  };
}

const add = (value: string, action?: string): JsonObject => ({
  request_headers_to_add: [header("x-a", value, action)],
});
const addBack = (value: string, action?: string): JsonObject => ({
  response_headers_to_add: [header("x-a", value, action)],
});

const actions: readonly ParityCase[] = [
  requestCase("adding appends by default", add("new"), ["x-a: old"], ["old", "new"]),
  requestCase(
    "APPEND_IF_EXISTS_OR_ADD appends",
    add("new", "APPEND_IF_EXISTS_OR_ADD"),
    ["x-a: old"],
    ["old", "new"],
  ),
  requestCase(
    "ADD_IF_ABSENT leaves what is there",
    add("new", "ADD_IF_ABSENT"),
    ["x-a: old"],
    ["old"],
  ),
  requestCase("ADD_IF_ABSENT adds what is not", add("new", "ADD_IF_ABSENT"), [], ["new"]),
  requestCase(
    "OVERWRITE_IF_EXISTS_OR_ADD replaces all values",
    add("new", "OVERWRITE_IF_EXISTS_OR_ADD"),
    ["x-a: 1", "x-a: 2"],
    ["new"],
  ),
  requestCase(
    "OVERWRITE_IF_EXISTS_OR_ADD adds what is not",
    add("new", "OVERWRITE_IF_EXISTS_OR_ADD"),
    [],
    ["new"],
  ),
  requestCase(
    "OVERWRITE_IF_EXISTS replaces only what is there",
    add("new", "OVERWRITE_IF_EXISTS"),
    ["x-a: old"],
    ["new"],
  ),
  requestCase("OVERWRITE_IF_EXISTS adds nothing", add("new", "OVERWRITE_IF_EXISTS"), [], []),
  requestCase(
    "the deprecated append false overwrites",
    { request_headers_to_add: [{ ...header("x-a", "new"), append: false }] },
    ["x-a: old"],
    ["new"],
  ),
  requestCase("an operator without a value adds nothing", add("%REQ(x-none)%"), [], []),
  requestCase(
    "keep_empty_value adds an empty value",
    { request_headers_to_add: [{ ...header("x-a", ""), keep_empty_value: true }] },
    [],
    [""],
  ),
  requestCase("without keep_empty_value an empty value is not added", add(""), [], []),
  requestCase(
    "removing happens before adding",
    { ...add("new"), request_headers_to_remove: ["X-A"] },
    ["x-a: old"],
    ["new"],
  ),
  responseCase("response: adding appends by default", addBack("new"), ["x-a: old"], ["old", "new"]),
  responseCase(
    "response: ADD_IF_ABSENT leaves what is there",
    addBack("new", "ADD_IF_ABSENT"),
    ["x-a: old"],
    ["old"],
  ),
  responseCase(
    "response: OVERWRITE_IF_EXISTS_OR_ADD replaces",
    addBack("new", "OVERWRITE_IF_EXISTS_OR_ADD"),
    ["x-a: 1", "x-a: 2"],
    ["new"],
  ),
  responseCase(
    "response: OVERWRITE_IF_EXISTS adds nothing",
    addBack("new", "OVERWRITE_IF_EXISTS"),
    [],
    [],
  ),
  responseCase(
    "response: removing",
    { response_headers_to_remove: ["X-A"] },
    ["x-a: old", "X-a: older"],
    [],
  ),
];

const level = (name: string): JsonObject => ({
  request_headers_to_add: [
    header("x-a", name),
    header("x-set", name, "OVERWRITE_IF_EXISTS_OR_ADD"),
  ],
  response_headers_to_add: [
    header("x-a", name),
    header("x-set", name, "OVERWRITE_IF_EXISTS_OR_ADD"),
  ],
});
const levels = (routeConfig: JsonObject): HttpOptions => ({
  routeConfig: { ...level("config"), ...routeConfig },
  virtualHosts: [
    virtualHost(
      "all",
      ["*"],
      [
        route(
          { prefix: "/" },
          {
            route: {
              weighted_clusters: {
                clusters: [{ name: "{case}-main", weight: 1, ...level("weighted") }],
              },
            },
            ...level("route"),
          },
        ),
      ],
      level("host"),
    ),
  ],
});

function levelCase(
  name: string,
  routeConfig: JsonObject,
  order: readonly string[],
  last: string,
): ParityCase {
  return {
    name,
    config: http(levels(routeConfig)),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/");
      assert.deepEqual(sent(t, "x-a"), order);
      assert.deepEqual(sent(t, "x-set"), [last]);
      assert.equal(got.header("x-a"), order.join(", "));
      assert.equal(got.header("x-set"), last);
    },
  };
}

const precedence: readonly ParityCase[] = [
  levelCase(
    "levels apply from the most to the least specific",
    {},
    ["weighted", "route", "host", "config"],
    "config",
  ),
  levelCase(
    "most_specific_header_mutations_wins turns the order round, but for the weighted cluster",
    { most_specific_header_mutations_wins: true },
    ["weighted", "config", "host", "route"],
    "route",
  ),
  {
    name: "removing on every level",
    config: http({
      routeConfig: { request_headers_to_remove: ["x-1"], response_headers_to_remove: ["y-1"] },
      virtualHosts: [
        virtualHost(
          "all",
          ["*"],
          [
            route(
              { prefix: "/" },
              {
                ...toCluster(),
                request_headers_to_remove: ["x-3"],
                response_headers_to_remove: ["y-3"],
              },
            ),
          ],
          {
            request_headers_to_remove: ["x-2"],
            response_headers_to_remove: ["y-2"],
          },
        ),
      ],
    }),
    upstream: answer(response(200, "ok", "y-1: 1", "y-2: 2", "y-3: 3", "y-4: 4")),
    run: async (t) => {
      const got = await t.get("/", "x-1: 1", "x-2: 2", "x-3: 3", "x-4: 4");
      const left = (fields: readonly (readonly [string, string])[], prefix: string) =>
        fields.map(([name]) => name).filter((name) => new RegExp(`^${prefix}-\\d$`).test(name));
      assert.deepEqual(left(t.upstream().requests[0]?.fields ?? [], "x"), ["x-4"]);
      assert.deepEqual(left(got.fields, "y"), ["y-4"]);
    },
  },
  {
    name: "internal_only_headers are removed from external requests",
    config: http({ routeConfig: { internal_only_headers: ["x-secret"] } }),
    upstream: ok,
    run: async (t) => {
      await t.get("/", "x-secret: 1", "x-open: 1");
      assert.deepEqual(sent(t, "x-secret"), []);
      assert.deepEqual(sent(t, "x-open"), ["1"]);
    },
  },
  {
    name: "a local reply of the router takes response headers of its route",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          {
            route: { cluster_header: "x-nobody" },
            response_headers_to_add: [
              header("x-a", "%REQ(:PATH)%"),
              header("x-flags", "%RESPONSE_FLAGS%"),
            ],
          },
        ),
      ],
    }),
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.header("x-a"), "/");
      assert.equal(got.header("x-flags"), "NC");
    },
  },
  {
    name: "a reply without a route takes no response headers",
    config: http({
      routeConfig: level("config"),
      virtualHosts: [virtualHost("all", ["*"], [], level("host"))],
    }),
    run: async (t) => assert.equal((await t.get("/")).header("x-a"), undefined),
  },
];

/** What operators give in a request header, for `GET /path?query=1` to `host.test` over HTTP/1.1. */
const requestOperators: Readonly<Record<string, string | RegExp>> = {
  "literal %% percent": "literal % percent",
  "%REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)%": "GET /path?query=1 host.test",
  "%REQ(x-none?x-old)%": "old",
  "%REQ(x-old):2%": "ol",
  "%PROTOCOL%": "HTTP/1.1",
  "%ROUTE_NAME%": "the-route",
  "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%": "127.0.0.1",
  "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%": "127.0.0.1",
  "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%": "127.0.0.1",
  "%DOWNSTREAM_LOCAL_PORT%": /^\d+$/,
  "%START_TIME(%s)%": /^\d{10}$/,
  "%START_TIME%": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
  "%QUERY_PARAM(query)%": "1",
  "%UPSTREAM_CLUSTER%": /^c\d\d-main$/,
  "[%REQ(x-none)%]": "[]",
};

const operators: readonly ParityCase[] = [
  {
    name: "operators in request headers",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          {
            name: "the-route",
            ...toCluster(),
            request_headers_to_add: Object.keys(requestOperators).map((value, index) =>
              header(`x-op-${index}`, value),
            ),
          },
        ),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      await t.get("/path?query=1", "x-old: old");
      for (const [index, [operator, expected]] of Object.entries(requestOperators).entries()) {
        const [value = ""] = sent(t, `x-op-${index}`);
        if (typeof expected === "string") assert.equal(value, expected, operator);
        else assert.match(value, expected, operator);
      }
    },
  },
  {
    name: "operators in response headers",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          {
            ...toCluster(),
            response_headers_to_add: [
              header("x-code", "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS%"),
              header("x-upstream", "%UPSTREAM_HOST%"),
              header("x-cluster", "%UPSTREAM_CLUSTER%"),
              header("x-resp", "%RESP(x-from-upstream)% %RESP(x-none)%"),
              header("x-req", "%REQ(x-from-client)%"),
            ],
          },
        ),
      ],
    }),
    upstream: answer(response(201, "ok", "x-from-upstream: u")),
    run: async (t) => {
      const got = await t.get("/", "x-from-client: c");
      assert.equal(got.header("x-code"), "201 via_upstream");
      assert.equal(got.header("x-upstream"), `127.0.0.1:${t.upstream().port}`);
      assert.equal(got.header("x-cluster"), `${t.id}-main`);
      assert.equal(got.header("x-resp"), "u");
      assert.equal(got.header("x-req"), "c");
    },
  },
  {
    name: "operators on a direct response",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          {
            ...direct("hello"),
            response_headers_to_add: [header("x-a", "%REQ(:PATH)% %PROTOCOL%")],
          },
        ),
      ],
    }),
    run: async (t) => assert.equal((await t.get("/p")).header("x-a"), "/p HTTP/1.1"),
  },
  {
    name: "a mutation sees the request as the client sent it",
    config: http({
      routes: [
        route(
          { prefix: "/" },
          { ...toCluster(), request_headers_to_add: [header("x-old-host", "%REQ(:AUTHORITY)%")] },
        ),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      await t.send(lines("GET / HTTP/1.1", "host: first.test"));
      assert.deepEqual(sent(t, "x-old-host"), ["first.test"]);
    },
  },
  {
    name: "mutations do not leak from one request to the next",
    config: http({ routes: [route({ path: "/add" }, { ...toCluster(), ...add("one") }), route()] }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      await client.exchange(get("/add"));
      assert.deepEqual(sent(t, "x-a"), ["one"]);
      await client.exchange(get("/none"));
      assert.deepEqual(sent(t, "x-a"), []);
    },
  },
];

parityArea("routing-headers", [...actions, ...precedence, ...operators]);

import assert from "node:assert/strict";
import { answer, response, type Script } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  type CaseConfig,
  cluster,
  endpoint,
  extension,
  http,
  type JsonObject,
  route,
  toCluster,
} from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";

const filter = "envoy.filters.http.stateful_session";
const package_ = "envoy.extensions.filters.http.stateful_session.v3";

const state = (kind: "cookie" | "header", config: JsonObject): JsonObject => ({
  session_state: extension(
    `envoy.http.stateful_session.${kind}`,
    kind === "cookie"
      ? "envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState"
      : "envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState",
    config,
  ),
});
const cookie = (config: JsonObject = {}): JsonObject =>
  state("cookie", { cookie: { name: "session", ...config } });
const byHeader: JsonObject = state("header", { name: "X-Session" });

const session = (config: JsonObject): JsonObject =>
  extension(filter, `${package_}.StatefulSession`, config);
const perRoute = (config: JsonObject): JsonObject => ({
  typed_per_filter_config: {
    [filter]: { "@type": `type.googleapis.com/${package_}.StatefulSessionPerRoute`, ...config },
  },
});

const names = ["one", "two", "three"];
const upstreams: Readonly<Record<string, Script>> = Object.fromEntries(
  names.map((name) => [name, answer(response(200, name))]),
);

/** Three hosts, of which the first has this health. */
const hosts = (health = "UNKNOWN", common: JsonObject = {}): readonly JsonObject[] => [
  cluster("main", {
    load_assignment: {
      cluster_name: "{case}-main",
      endpoints: [
        {
          lb_endpoints: names.map((name, index) =>
            endpoint(name, index === 0 ? { health_status: health } : {}),
          ),
        },
      ],
    },
    common_lb_config: common,
  }),
];

const withSession = (
  config: JsonObject,
  clusters = hosts(),
  routes: readonly JsonObject[] = [route()],
): CaseConfig => http({ filters: [session(config)], clusters, routes });

const address = (t: CaseContext, name: string): string => `127.0.0.1:${t.upstream(name).port}`;
const base64 = (text: string | Uint8Array): string => Buffer.from(text).toString("base64");

/** The message {address = 1, expires = 2} as cookies have it. */
function cookieMessage(host: string, expires?: number): string {
  const bytes = [0x0a, host.length, ...Buffer.from(host)];
  if (expires === undefined) return base64(Buffer.from(bytes));
  bytes.push(0x10);
  let rest = expires;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return base64(Buffer.from([...bytes, rest]));
}

const asCookie = (value: string): string => `cookie: session="${value}"`;

/** Who answers these six requests: with a session one, without one each of the three. */
async function answers(t: CaseContext, path: string, ...fields: string[]): Promise<string[]> {
  const seen = new Set<string>();
  for (let sent = 0; sent < 6; sent += 1) seen.add((await t.get(path, ...fields)).body);
  return [...seen].sort();
}

const all = [...names].sort();

const cookies: readonly ParityCase[] = [
  {
    name: "the first answer sets a cookie, and with it the host stays",
    config: withSession(cookie()),
    upstreams,
    run: async (t) => {
      const first = await t.get("/");
      const host = cookieMessage(address(t, first.body));
      assert.equal(first.header("set-cookie"), `session="${host}"; HttpOnly`);
      assert.deepEqual(await answers(t, "/", asCookie(host)), [first.body]);
      assert.equal((await t.get("/", asCookie(host))).header("set-cookie"), undefined);
    },
  },
  {
    name: "a cookie's time and path are told, and its value ends with a time",
    config: withSession(cookie({ ttl: "120s", path: "/shop" })),
    upstreams,
    run: async (t) => {
      const { body, ...got } = await t.get("/shop");
      const text = got.fields.find(([name]) => name === "set-cookie")?.[1] ?? "";
      assert.match(text, /^session="[^"]+"; Max-Age=120; Path=\/shop; HttpOnly$/);
      const value = /"([^"]+)"/.exec(text)?.[1] ?? "";
      const host = address(t, body);
      const message = Buffer.from(value, "base64");
      assert.equal(message.toString("latin1", 2, 2 + host.length), host);
      assert.equal(message[2 + host.length], 0x10);
      assert.deepEqual(await answers(t, "/shop", asCookie(value)), [body]);
    },
  },
  {
    name: "a cookie's attributes",
    config: withSession(
      cookie({ attributes: [{ name: "SameSite", value: "Lax" }, { name: "Secure" }] }),
    ),
    upstreams,
    run: async (t) => {
      const { body, ...got } = await t.get("/");
      const text = got.fields.find(([name]) => name === "set-cookie")?.[1];
      const value = cookieMessage(address(t, body));
      assert.equal(text, `session="${value}"; SameSite=Lax; Secure; HttpOnly`);
    },
  },
  {
    name: "a cookie that has run out is as good as none",
    config: withSession(cookie({ ttl: "120s" })),
    upstreams,
    run: async (t) => {
      const old = asCookie(cookieMessage(address(t, "two"), 1));
      assert.deepEqual(await answers(t, "/", old), all);
      assert.notEqual((await t.get("/", old)).header("set-cookie"), undefined);
      const young = asCookie(cookieMessage(address(t, "two"), 2 ** 40));
      assert.deepEqual(await answers(t, "/", young), ["two"]);
      const endless = asCookie(cookieMessage(address(t, "two")));
      assert.deepEqual(await answers(t, "/", endless), ["two"]);
    },
  },
  {
    name: "cookies that are no messages",
    config: withSession(cookie()),
    upstreams,
    run: async (t) => {
      const plain = asCookie(base64(address(t, "two")));
      const seen: unknown[] = [await answers(t, "/", plain)];
      for (const value of ["", "!!!", base64("nonsense"), base64(Uint8Array.of(0x0a, 40, 65))])
        seen.push(await answers(t, "/", asCookie(value)));
      assert.deepEqual(seen, [["two"], all, all, all, all]);
    },
  },
  {
    name: "the cookie's path decides which requests have a session",
    config: withSession(cookie({ path: "/shop" })),
    upstreams,
    run: async (t) => {
      const two = asCookie(cookieMessage(address(t, "two")));
      const seen: Record<string, number> = {};
      for (const path of ["/shop", "/shop/a", "/shop?a", "/shopping", "/", "/a/shop"])
        seen[path] = (await answers(t, path, two)).length;
      assert.deepEqual(seen, {
        "/shop": 1,
        "/shop/a": 1,
        "/shop?a": 1,
        "/shopping": 3,
        "/": 3,
        "/a/shop": 3,
      });
      assert.equal((await t.get("/shopping")).header("set-cookie"), undefined);
    },
  },
  {
    name: "a cookie's path with a slash at its end means what is below it",
    config: withSession(cookie({ path: "/shop/" })),
    upstreams,
    run: async (t) => {
      const two = asCookie(cookieMessage(address(t, "two")));
      assert.deepEqual(await answers(t, "/shop/a", two), ["two"]);
      assert.deepEqual(await answers(t, "/shop", two), all);
    },
  },
];

const headers: readonly ParityCase[] = [
  {
    name: "a header names the host",
    config: withSession(byHeader),
    upstreams,
    run: async (t) => {
      const first = await t.get("/");
      const value = base64(address(t, first.body));
      assert.equal(first.header("x-session"), value);
      assert.deepEqual(await answers(t, "/", `x-session: ${value}`), [first.body]);
      assert.equal((await t.get("/", `x-session: ${value}`)).header("x-session"), undefined);
    },
  },
  {
    name: "a host that nobody knows is replaced by another",
    config: withSession(byHeader),
    upstreams,
    run: async (t) => {
      const stale = `x-session: ${base64("127.0.0.1:1")}`;
      assert.deepEqual(await answers(t, "/", stale), all);
      const { body, ...got } = await t.get("/", stale);
      const value = got.fields.find(([name]) => name === "x-session")?.[1];
      assert.equal(value, base64(address(t, body)));
      assert.deepEqual(await answers(t, "/", "x-session: ???"), all);
    },
  },
  {
    name: "strict: a host that nobody knows is refused",
    config: withSession({ ...byHeader, strict: true }),
    upstreams,
    run: async (t) => {
      const got = await t.get("/", `x-session: ${base64("127.0.0.1:1")}`);
      assert.equal(got.status, 503);
      assert.equal(got.body, "no healthy upstream");
      assert.equal(await t.logLine(), "503 UH no_healthy_upstream");
      assert.deepEqual(await answers(t, "/"), all);
      const two = `x-session: ${base64(address(t, "two"))}`;
      assert.deepEqual(await answers(t, "/", two), ["two"]);
      await t.stats({ "cluster.{case}-main.upstream_cx_none_healthy": 1 });
    },
  },
];

const statuses: readonly ParityCase[] = [
  ...["DEGRADED", "HEALTHY"].map(
    (status): ParityCase => ({
      name: `a session's host that is ${status} is kept`,
      config: withSession(byHeader, hosts(status)),
      upstreams,
      run: async (t) => {
        const one = `x-session: ${base64(address(t, "one"))}`;
        assert.deepEqual(await answers(t, "/", one), ["one"]);
      },
    }),
  ),
  ...["UNHEALTHY", "DRAINING", "TIMEOUT"].map(
    (status): ParityCase => ({
      name: `a session's host that is ${status} is left`,
      config: withSession(byHeader, hosts(status)),
      upstreams,
      run: async (t) => {
        const one = `x-session: ${base64(address(t, "one"))}`;
        assert.deepEqual(await answers(t, "/", one), ["three", "two"]);
      },
    }),
  ),
  {
    name: "override_host_status says which hosts keep their sessions",
    config: withSession(
      byHeader,
      hosts("DRAINING", { override_host_status: { statuses: ["DRAINING"] } }),
    ),
    upstreams,
    run: async (t) => {
      const one = `x-session: ${base64(address(t, "one"))}`;
      assert.deepEqual(await answers(t, "/", one), ["one"]);
      const two = `x-session: ${base64(address(t, "two"))}`;
      assert.deepEqual(await answers(t, "/", two), ["three", "two"]);
    },
  },
  {
    name: "override_host_status without a status: no host keeps its sessions",
    config: withSession(byHeader, hosts("UNKNOWN", { override_host_status: {} })),
    upstreams,
    run: async (t) => {
      const two = `x-session: ${base64(address(t, "two"))}`;
      assert.deepEqual(await answers(t, "/", two), all);
    },
  },
];

const routeCases: readonly ParityCase[] = [
  {
    name: "routes turn it off or have their own",
    config: withSession(byHeader, hosts(), [
      route({ prefix: "/off" }, { ...toCluster(), ...perRoute({ disabled: true }) }),
      route(
        { prefix: "/own" },
        { ...toCluster(), ...perRoute({ stateful_session: state("header", { name: "x-own" }) }) },
      ),
      route({ prefix: "/none" }, { ...toCluster(), ...perRoute({ stateful_session: {} }) }),
      route(),
    ]),
    upstreams,
    run: async (t) => {
      const two = base64(address(t, "two"));
      assert.deepEqual(await answers(t, "/off", `x-session: ${two}`), all);
      assert.deepEqual(await answers(t, "/own", `x-session: ${two}`), all);
      assert.deepEqual(await answers(t, "/none", `x-session: ${two}`), all);
      assert.deepEqual(await answers(t, "/own", `x-own: ${two}`), ["two"]);
      assert.deepEqual(await answers(t, "/on", `x-session: ${two}`), ["two"]);
      assert.equal((await t.get("/off")).header("x-session"), undefined);
    },
  },
  {
    name: "a retry goes to any host",
    config: withSession(byHeader, hosts(), [
      route(
        { prefix: "/" },
        toCluster("main", {
          retry_policy: { retry_on: "5xx", num_retries: 1 },
        }),
      ),
    ]),
    upstreams: { ...upstreams, one: answer(response(503, "one")) },
    run: async (t) => {
      const one = `x-session: ${base64(address(t, "one"))}`;
      const seen = await answers(t, "/", one);
      assert.ok(seen.includes("two") && seen.includes("three"), String(seen));
    },
  },
];

const stats: readonly ParityCase[] = [
  {
    name: "counts what became of sessions",
    config: withSession({ ...byHeader, stat_prefix: "mine" }),
    upstreams,
    run: async (t) => {
      await t.get("/");
      await t.get("/", `x-session: ${base64(address(t, "one"))}`);
      await t.get("/", `x-session: ${base64("127.0.0.1:1")}`);
      const prefix = "http.{case}.stateful_session.mine.";
      await t.stats({
        [`${prefix}routed`]: 1,
        [`${prefix}failed_open`]: 2,
        [`${prefix}failed_closed`]: 0,
      });
    },
  },
  {
    name: "counts strict sessions",
    config: withSession({ ...byHeader, strict: true, stat_prefix: "mine" }),
    upstreams,
    run: async (t) => {
      await t.get("/");
      await t.get("/", `x-session: ${base64(address(t, "one"))}`);
      await t.get("/", `x-session: ${base64("127.0.0.1:1")}`);
      const prefix = "http.{case}.stateful_session.mine.";
      await t.stats({
        [`${prefix}routed`]: 1,
        [`${prefix}failed_open`]: 0,
        [`${prefix}failed_closed`]: 1,
      });
    },
  },
  ...[
    ["a cookie", cookie({ name: "" })],
    ["a header", state("header", { name: "" })],
  ].map(
    ([what, config]): ParityCase => ({
      name: `refuses ${what} without a name`,
      config: withSession(config as JsonObject),
      upstreams,
      own: { start: false },
      run: async (t) => assert.equal((await t.command("--mode", "validate")).code, 1),
    }),
  ),
];

parityArea("stateful-session", [...cookies, ...headers, ...statuses, ...routeCases, ...stats]);

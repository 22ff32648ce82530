import assert from "node:assert/strict";
import { Word64 } from "#lib/word64.ts";
import { xxHash64 } from "#lib/xxhash64.ts";
import { answer, response } from "../../testkit/fake-upstream.ts";
import type { Response } from "../../testkit/raw-client.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  type CaseConfig,
  cluster,
  extension,
  type HttpOptions,
  header,
  http,
  type JsonObject,
} from "./harness/config.ts";
import { type CaseContext, get } from "./harness/context.ts";
import { allHosts, answers, byKey, hashing, hosts, keys } from "./harness/hashing.ts";

const ring: JsonObject = { lb_policy: "RING_HASH" };
const cookie = (config: JsonObject = {}): JsonObject => ({ cookie: { name: "sticky", ...config } });
const query: JsonObject = { query_parameter: { name: "q" } };
const sourceIp: JsonObject = { connection_properties: { source_ip: true } };

/** Who gets these requests under these policies: seen on Envoy, demanded of Heddle. */
const routes = (
  name: string,
  policies: readonly JsonObject[],
  requests: readonly string[],
  expected: string,
): ParityCase => ({
  name,
  config: hashing(ring, [allHosts], policies),
  upstreams: hosts,
  run: async (t) => assert.equal(await answers(t, requests), expected),
});

const some = keys.slice(0, 40);
const withKeys = (field: (key: string) => string): readonly string[] =>
  some.map((key) => get("/", field(key)));

const deterministic: readonly ParityCase[] = [
  routes(
    "header: repeated, its values in any order",
    [byKey],
    some.flatMap((key) => [
      get("/", `x-key: ${key}`, "x-key: other"),
      get("/", "x-key: other", `x-key: ${key}`),
    ]),
    "cceeeebbaaccddddaaccaaeeeeccccbbcceebbddccbbcccceeccddddddaabbbbbbcceecceeeebbee",
  ),
  routes(
    "header: an empty value is a value",
    [byKey],
    withKeys(() => "x-key:"),
    "cccccccccccccccccccccccccccccccccccccccc",
  ),
  routes(
    "header: bytes beyond ASCII",
    [byKey],
    withKeys((key) => `x-key: ${key}\xe9\xff`),
    "adddbadbbdebcdacdacedbabecacceaabdadebcc",
  ),
  routes(
    "header: longer than a kilobyte",
    [byKey],
    withKeys((key) => `x-key: ${key.repeat(300)}`),
    "dcbcebcdceadebeebebacabeacdceabdaaabeacb",
  ),
  routes(
    "header: host",
    [{ header: { header_name: "host" } }],
    some.map((key) => `GET / HTTP/1.1\r\nhost: ${key}.test\r\n\r\n`),
    "bebdebacabbdbccbaecdeeddbbcacacbabadebed",
  ),
  routes(
    "header: :path with its query",
    [{ header: { header_name: ":path" } }],
    some.map((key) => get(`/${key}?${key}`)),
    "bbebdeaadebbcddbdbebdacaddaebbacaccababb",
  ),
  routes(
    "header: what Envoy keeps in one field is hashed as one",
    [{ header: { header_name: "accept" } }],
    withKeys((key) => `accept: ${key}\r\naccept: text/plain`),
    "bdcabbcbdaeceaedcacdceddccebcdbeebbaeeba",
  ),
  routes(
    "header: regex_rewrite",
    [
      {
        header: {
          header_name: "x-key",
          regex_rewrite: { pattern: { regex: "^key-(\\d)\\d?$" }, substitution: "group \\1" },
        },
      },
    ],
    withKeys((key) => `x-key: ${key}`),
    "abceeecddcbbbbbbbbbbcccccccccceeeeeeeeee",
  ),
  routes(
    "cookie: as given",
    [cookie()],
    withKeys((key) => `cookie: a=b; sticky=${key}; c=d`),
    "aecdeccebbdceebcbcdebadebcceeccbaeadebec",
  ),
  routes(
    "cookie: quotes are not hashed",
    [cookie()],
    withKeys((key) => `cookie: sticky="${key}"`),
    "aecdeccebbdceebcbcdebadebcceeccbaeadebec",
  ),
  routes(
    "cookie: the first of its name, in any field",
    [cookie()],
    withKeys((key) => `cookie: other=1; stickyy=2\r\ncookie:   sticky=${key}; sticky=x`),
    "aecdeccebbdceebcbcdebadebcceeccbaeadebec",
  ),
  routes(
    "cookie: spaces before the equals sign are of the name, those after it of the value",
    [cookie(), query],
    some.flatMap((key) => [
      get("/?q=1", `cookie: sticky =${key}`),
      get("/?q=1", `cookie: sticky= ${key}`),
    ]),
    "babebbbebcbbbebbbebcbabebebbbbbabbbabcbcbabdbdbcbebebebabebebcbabbbbbebdbabcbebb",
  ),
  routes(
    "query_parameter",
    [query],
    some.map((key) => get(`/?a=b&q=${key}&q=x`)),
    "aecdeccebbdceebcbcdebadebcceeccbaeadebec",
  ),
  routes(
    "query_parameter: as written",
    [query],
    some.map((key) => get(`/?q=${key}%20+`)),
    "cdccccacdebbaceabecbdddcbbbbccccccceedbc",
  ),
  routes(
    "query_parameter: empty",
    [query],
    some.map((_, index) => get(index % 2 === 0 ? "/?q=" : "/?q")),
    "cccccccccccccccccccccccccccccccccccccccc",
  ),
  routes(
    "source_ip",
    [sourceIp],
    withKeys((key) => `x-key: ${key}`),
    "dddddddddddddddddddddddddddddddddddddddd",
  ),
  routes(
    "policies are combined",
    [byKey, query, sourceIp],
    some.map((key) => get(`/?q=${key}`, `x-key: ${key}`)),
    "eaaaeebadddbaececbdbeaabedeacacdcdbcaeca",
  ),
  routes(
    "a policy without value changes nothing",
    [query, byKey, cookie()],
    withKeys((key) => `x-key: ${key}`),
    "aecdeccebbdceebcbcdebadebcceeccbaeadebec",
  ),
  routes(
    "terminal: nothing after it when there is a hash",
    [{ ...byKey, terminal: true }, query],
    some.map((key, index) => get(`/?q=${index}`, `x-key: ${key}`)),
    "aecdeccebbdceebcbcdebadebcceeccbaeadebec",
  ),
  routes(
    "terminal: without a value the next is asked",
    [{ ...byKey, terminal: true }, query],
    some.map((key) => get(`/?q=${key}`)),
    "aecdeccebbdceebcbcdebadebcceeccbaeadebec",
  ),
  routes(
    "terminal: a hash of a policy before it ends it too",
    [query, { ...byKey, terminal: true }, sourceIp],
    some.map((key) => get(`/?q=${key}`)),
    "aecdeccebbdceebcbcdebadebcceeccbaeadebec",
  ),
];

/** Not all of these go to one host, as those of one key would. */
async function spread(t: CaseContext, requests: readonly string[]): Promise<void> {
  // One in 5⁵⁹ runs would use one host only.
  const many = Array.from({ length: 60 }, (_, index) => requests[index % requests.length] ?? "");
  assert.ok(new Set(await answers(t, many)).size > 1);
}

const random = (
  name: string,
  policies: readonly JsonObject[],
  ...requests: readonly string[]
): ParityCase => ({
  name: `random: ${name}`,
  config: hashing(ring, [allHosts], policies),
  upstreams: hosts,
  run: async (t) => spread(t, requests),
});

const randomCases: readonly ParityCase[] = [
  random("no policy", [], get("/", "x-key: a")),
  random("the header is not there", [byKey], get("/")),
  random("no cookie, and no ttl to make one", [cookie()], get("/"), get("/", "cookie: sticky=")),
  random("the parameter is not there", [query], get("/?p=1")),
  random("source_ip is not asked for", [{ connection_properties: {} }], get("/")),
  random("no filter state", [{ filter_state: { key: "nobody" } }], get("/")),
];

const setCookies = ({ fields }: Response): readonly string[] =>
  fields.filter(([name]) => name === "set-cookie").map(([, value]) => value);

const hexOf = (text: string): string => xxHash64(new Word64(), Buffer.from(text)).hex;

const madeCookie = (name: string, config: JsonObject, attributes: string): ParityCase => ({
  name: `cookie: ${name}`,
  config: hashing(ring, [allHosts], [cookie(config)]),
  upstreams: hosts,
  run: async (t) => {
    const client = await t.connect();
    const first = await client.exchange(get("/"));
    const to = t.address();
    assert.ok("port" in to);
    const value = hexOf(`127.0.0.1:${client.socket.localPort}${to.host}:${to.port}`);
    assert.deepEqual(setCookies(first), [`sticky="${value}"${attributes}; HttpOnly`]);
    // The same connection gets the same cookie, another one another; the cookie leads to the same host.
    const again = await client.exchange(get("/", "cookie: sticky="));
    assert.deepEqual(setCookies(again), setCookies(first));
    assert.equal(again.body, first.body);
    const back = await t.get("/", `cookie: sticky="${value}"`);
    assert.deepEqual(setCookies(back), []);
    assert.equal(back.body, first.body);
    const other = await t.get("/");
    assert.notDeepEqual(setCookies(other), setCookies(first));
  },
});

const cookieCases: readonly ParityCase[] = [
  madeCookie("one is made when a ttl is there", { ttl: "3600s" }, "; Max-Age=3600"),
  madeCookie("a ttl of 0 makes one of the session", { ttl: "0s" }, ""),
  madeCookie(
    "path and attributes",
    {
      ttl: "60.7s",
      path: "/shop",
      attributes: [{ name: "SameSite", value: "Strict" }, { name: "Secure" }],
    },
    "; Max-Age=60; Path=/shop; SameSite=Strict; Secure",
  ),
  {
    name: "cookie: behind the upstream's own",
    config: hashing(ring, [allHosts], [cookie({ ttl: "1s" })]),
    upstreams: hosts,
    run: async (t) => {
      const { raw } = await t.get("/");
      assert.match(raw, /x-envoy-upstream-service-time: \d+\r\nset-cookie: sticky=/);
    },
  },
  {
    name: "cookie: none is made for a balancer that does not hash",
    config: hashing({}, [allHosts], [cookie({ ttl: "1s" })]),
    upstreams: hosts,
    run: async (t) => assert.deepEqual(setCookies(await t.get("/")), []),
  },
  {
    name: "cookie: two policies make two",
    config: hashing(
      ring,
      [allHosts],
      [cookie({ ttl: "1s" }), { cookie: { name: "second", ttl: "2s" } }],
    ),
    upstreams: hosts,
    run: async (t) => {
      const cookies = setCookies(await t.get("/")).map((text) => text.split("=")[0]);
      assert.deepEqual(cookies, ["sticky", "second"]);
    },
  },
  {
    name: "cookie: an answer of the proxy's own",
    config: hashing(
      { ...ring, load_assignment: { cluster_name: "x", endpoints: [] } },
      [],
      [cookie({ ttl: "1s" })],
    ),
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.status, 503);
      assert.deepEqual(setCookies(got), []);
    },
  },
  {
    name: "cookie: nobody listens",
    config: hashing(
      ring,
      [
        {
          lb_endpoints: [
            { endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: 1 } } } },
          ],
        },
      ],
      [cookie({ ttl: "1s" })],
    ),
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.status, 503);
      assert.deepEqual(setCookies(got), []);
    },
  },
];

const toRing = (route: JsonObject, more: HttpOptions = {}): CaseConfig =>
  http({
    routes: [{ match: { prefix: "/" }, ...route }],
    clusters: [
      cluster("main", {
        load_assignment: { cluster_name: "{case}-main", endpoints: [allHosts] },
        ...ring,
      }),
    ],
    ...more,
  });
const toMain = (action: JsonObject): JsonObject => ({
  route: { cluster: "{case}-main", ...action },
});
const byPath: JsonObject = { header: { header_name: ":path" } };

const changedRequests: readonly ParityCase[] = [
  {
    name: "header: a path after the route has rewritten it",
    config: toRing(toMain({ hash_policy: [byPath], prefix_rewrite: "/rewritten/" })),
    upstreams: hosts,
    run: async (t) =>
      assert.equal(
        await answers(
          t,
          some.map((key) => get(`/${key}`)),
        ),
        "ecebaccdaadecdddcececabaedebebeeddbdeccb",
      ),
  },
  {
    name: "header: one that the route adds",
    config: toRing({
      ...toMain({ hash_policy: [byKey] }),
      request_headers_to_add: [header("x-key", "always")],
    }),
    upstreams: hosts,
    run: async (t) =>
      assert.equal(
        await answers(
          t,
          Array.from({ length: 20 }, () => get("/")),
        ),
        "bbbbbbbbbbbbbbbbbbbb",
      ),
  },
  {
    name: "source_ip: the client's address by x-forwarded-for",
    config: toRing(toMain({ hash_policy: [sourceIp] }), {
      manager: { use_remote_address: true, xff_num_trusted_hops: 1 },
    }),
    upstreams: hosts,
    run: async (t) => {
      const requests = some.map((_, index) => get("/", `x-forwarded-for: 10.1.2.${index}`));
      assert.equal(await answers(t, requests), "bceeeeedbdcceccbdedecccccdcccaaadadbaecd");
    },
  },
  {
    name: "no host: the request is changed all the same",
    config: http({
      routes: [
        {
          match: { prefix: "/" },
          route: { cluster: "{case}-main", prefix_rewrite: "/new/" },
          request_headers_to_add: [header("x-added", "yes")],
        },
      ],
      clusters: [cluster("main", { load_assignment: { cluster_name: "x" } })],
      logFormat: "%REQ(:PATH)% %REQ(X-ADDED)% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %RESPONSE_FLAGS%",
    }),
    run: async (t) => {
      await t.get("/old");
      assert.equal(await t.logLine(), "/new/old yes 1 UH");
    },
  },
  {
    name: "cookie: for a request that is tried three times",
    config: toRing(
      toMain({
        hash_policy: [cookie({ ttl: "1s" })],
        retry_policy: {
          retry_on: "5xx",
          num_retries: 2,
          retry_back_off: { base_interval: "0.001s" },
        },
      }),
    ),
    upstreams: Object.fromEntries(
      Object.keys(hosts).map((name) => [name, answer(response(503, name))]),
    ),
    run: async (t) => {
      const cookies = setCookies(await t.get("/"));
      assert.equal(cookies.length, 3);
      assert.equal(new Set(cookies).size, 1);
    },
    heddle: {
      difference: "A cookie made for hashing is set once",
      run: async (t) => assert.equal(setCookies(await t.get("/")).length, 1),
    },
  },
];

const setsState = (factory: string): JsonObject =>
  extension(
    "envoy.filters.http.set_filter_state",
    "envoy.extensions.filters.http.set_filter_state.v3.Config",
    {
      on_request_headers: [
        {
          object_key: "who",
          factory_key: factory,
          format_string: { text_format_source: { inline_string: "%REQ(X-KEY)%" } },
        },
      ],
    },
  );
const byState: JsonObject = { filter_state: { key: "who" } };

const stateCases: readonly ParityCase[] = [
  {
    name: "filter_state: a text with a hash is hashed like a header",
    config: toRing(toMain({ hash_policy: [byState] }), {
      filters: [setsState("envoy.hashable_string")],
    }),
    upstreams: hosts,
    run: async (t) =>
      assert.equal(
        await answers(
          t,
          withKeys((key) => `x-key: ${key}`),
        ),
        "aecdeccebbdceebcbcdebadebcceeccbaeadebec",
      ),
  },
  {
    name: "random: filter state without a hash",
    config: toRing(toMain({ hash_policy: [byState] }), { filters: [setsState("envoy.string")] }),
    upstreams: hosts,
    run: async (t) => spread(t, [get("/", "x-key: a")]),
  },
];

parityArea("balancing-hash-policies", [
  ...deterministic,
  ...randomCases,
  ...cookieCases,
  ...changedRequests,
  ...stateCases,
]);

import assert from "node:assert/strict";
import { Word64 } from "#lib/word64.ts";
import { xxHash64 } from "#lib/xxhash64.ts";
import { answer, response, type Script } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { cluster, extension, http, type JsonObject, listener, route } from "./harness/config.ts";
import { type CaseContext, get } from "./harness/context.ts";
import {
  allHosts,
  answers,
  byExtension,
  byKey,
  group,
  hashed,
  hashing,
  hostNames,
  hosts,
  keys,
  mapping,
} from "./harness/hashing.ts";
import { connectFrames, request } from "./harness/http2.ts";
import { tcpProxy } from "./harness/tcp-proxy.ts";

const ring: JsonObject = { lb_policy: "RING_HASH" };
const maglev: JsonObject = { lb_policy: "MAGLEV" };

/** Answers nothing. */
const silent: Script = async (connection) => {
  while ((await connection.request()) !== undefined);
};
const silentHosts: Readonly<Record<string, Script>> = Object.fromEntries(
  hostNames.map((name) => [name, silent]),
);

/** Who gets each of these requests while all before it still run. */
async function running(t: CaseContext, requests: readonly string[]): Promise<string> {
  const counts = (): readonly number[] => hostNames.map((name) => t.upstream(name).requests.length);
  let letters = "";
  let before = counts();
  for (const text of requests) {
    await (await t.connect()).write(text);
    const now = await t.eventually(async () => {
      const current = counts();
      assert.notDeepEqual(current, before);
      return current;
    });
    letters += hostNames[now.findIndex((count, index) => count !== before[index])];
    before = now;
  }
  return letters;
}

const bounded = (
  name: string,
  main: JsonObject,
  localities: readonly JsonObject[],
  requests: readonly string[],
  expected: string,
): ParityCase => ({
  name: `hash_balance_factor: ${name}`,
  config: hashing(main, localities),
  upstreams: silentHosts,
  run: async (t) => assert.equal(await running(t, requests), expected),
});

const factor = (value: number): JsonObject => ({
  common_lb_config: { consistent_hashing_lb_config: { hash_balance_factor: value } },
});
const weighted: JsonObject = group(
  hostNames.map((name, index) => hashed(name, { load_balancing_weight: index + 1 })),
);
const same = (key: string, times: number): readonly string[] =>
  Array.from({ length: times }, () => get("/", `x-key: ${key}`));

const boundedCases: readonly ParityCase[] = [
  bounded(
    "100: one key goes round all hosts",
    { ...ring, ...factor(100) },
    [allHosts],
    same("key-0", 14),
    "aaeecaeccbaecb",
  ),
  bounded(
    "another key goes round another way",
    { ...ring, ...factor(100) },
    [allHosts],
    same("key-9", 14),
    "bbddcbdccabdca",
  ),
  bounded(
    "200: a host may have twice its share",
    { ...ring, ...factor(200) },
    [allHosts],
    same("key-0", 14),
    "aaaeeaeaeeaeae",
  ),
  bounded(
    "by weight",
    { ...ring, ...factor(120) },
    [weighted],
    same("key-0", 20),
    "aaeeeececcecaececebb",
  ),
  bounded(
    "of Maglev, as an extension",
    byExtension("maglev.v3.Maglev", { consistent_hashing_lb_config: { hash_balance_factor: 130 } }),
    [allHosts],
    same("key-3", 14),
    "ddedeecdeccdec",
  ),
  bounded(
    "of ring hash, its older field",
    byExtension("ring_hash.v3.RingHash", { hash_balance_factor: 110 }),
    [weighted],
    [...same("key-1", 7), ...same("key-2", 7)],
    "eeeddedccccbbc",
  ),
  {
    name: "hash_balance_factor: without load everyone stays at home",
    config: hashing({ ...maglev, ...factor(100) }),
    upstreams: hosts,
    run: async (t) =>
      assert.equal(
        await mapping(t),
        "aabdceddedeaaabbbebccebbaadabcdaeeeceeaebedcbeecbaddebabdcddedebaeeaadbedcaaddebbdaceedbbdabbccbedab",
      ),
  },
];

const failing: Script = answer(response(503, "-"));
/** Retries at a host that was not tried; who answered in the end, and what of them all was asked. */
const retrying = (name: string, main: JsonObject, expected: string): ParityCase => ({
  name: `a retry's hosts: ${name}`,
  config: http({
    routes: [
      route(
        { prefix: "/" },
        {
          route: {
            cluster: "{case}-main",
            hash_policy: [byKey],
            retry_policy: {
              retry_on: "5xx",
              num_retries: 3,
              retry_back_off: { base_interval: "0.001s" },
              retry_host_predicate: [
                extension(
                  "envoy.retry_host_predicates.previous_hosts",
                  "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
                ),
              ],
              host_selection_retry_max_attempts: 20,
            },
          },
        },
      ),
    ],
    clusters: [
      cluster("main", {
        load_assignment: { cluster_name: "{case}-main", endpoints: [allHosts] },
        ...main,
      }),
    ],
  }),
  upstreams: { ...hosts, a: failing, b: failing, c: failing },
  run: async (t) => {
    const requests = keys.slice(0, 40).map((key) => get("/", `x-key: ${key}`));
    assert.equal(await answers(t, requests), expected);
  },
});

const byAddress = (
  name: string,
  main: JsonObject,
  owner: (t: CaseContext) => (key: string) => string,
): ParityCase => ({
  name,
  config: hashing(main, [group(hostNames.map((host) => plain(host)))]),
  upstreams: hosts,
  run: async (t) => {
    const expected = keys.map(owner(t)).join("");
    assert.equal(await mapping(t), expected);
  },
});

const plain = (name: string): JsonObject => ({
  endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: `{port:${name}}` } } },
});

const hashOf = (text: string): bigint =>
  BigInt(`0x${xxHash64(new Word64(), Buffer.from(text)).hex}`);

/** Ketama in a few lines, without any of the proxy's. */
function ringOwner(t: CaseContext): (key: string) => string {
  const places = hostNames.flatMap((host) =>
    Array.from({ length: 205 }, (_, index) => ({
      host,
      hash: hashOf(`127.0.0.1:${t.upstream(host).port}_${index}`),
    })),
  );
  places.sort((a, b) => (a.hash < b.hash ? -1 : 1));
  return (key) => (places.find(({ hash }) => hash >= hashOf(key)) ?? places[0])?.host ?? "";
}

const refused = (name: string, main: JsonObject, message: RegExp): ParityCase => ({
  name: `refused: ${name}`,
  config: hashing(main),
  upstreams: hosts,
  own: { start: false },
  run: async (t) => {
    const { code, output } = await t.command("--mode", "validate");
    assert.equal(code, 1);
    assert.match(output, message);
  },
});

const refusals: readonly ParityCase[] = [
  refused(
    "minimum_ring_size above maximum_ring_size",
    { ...ring, ring_hash_lb_config: { minimum_ring_size: 11, maximum_ring_size: 10 } },
    /ring hash: minimum_ring_size \(11\) > maximum_ring_size \(10\)/,
  ),
  refused(
    "a table size that is no prime",
    { ...maglev, maglev_lb_config: { table_size: 65536 } },
    /The table size of maglev must be prime number/,
  ),
  refused(
    "a table that is too large",
    { ...maglev, maglev_lb_config: { table_size: 5000077 } },
    /table_size|TableSize/i,
  ),
  refused("a balance factor below 100", { ...ring, ...factor(99) }, /hash_?balance_?factor/i),
  refused(
    "host names of a cluster that is not STRICT_DNS",
    {
      common_lb_config: { consistent_hashing_lb_config: { use_hostname_for_hashing: true } },
    },
    /Cannot use hostname for consistent hashing loadbalancing for cluster of type: 'envoy.cluster.static'/,
  ),
];

const proxyProtocol: JsonObject = {
  listener_filters: [
    extension(
      "envoy.filters.listener.proxy_protocol",
      "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
    ),
  ],
};

const tcpHosts: Readonly<Record<string, Script>> = Object.fromEntries(
  hostNames.map((name): [string, Script] => [
    name,
    async (connection) => {
      await connection.write(name);
      connection.end();
    },
  ]),
);

const tcp = (
  name: string,
  policies: readonly JsonObject[],
  check: (letters: string) => void,
): ParityCase => ({
  name: `tcp_proxy: ${name}`,
  config: {
    listeners: [listener([tcpProxy({ hash_policy: policies })], proxyProtocol)],
    clusters: [
      cluster("main", {
        load_assignment: { cluster_name: "{case}-main", endpoints: [allHosts] },
        ...ring,
      }),
    ],
  },
  upstreams: tcpHosts,
  run: async (t) => {
    let letters = "";
    for (let i = 0; i < 40; i++) {
      const client = await t.connect();
      await client.write(`PROXY TCP4 10.0.0.${i} 10.1.0.1 ${1000 + i} 80\r\n`);
      await client.ended();
      letters += client.unread;
      client.close();
    }
    check(letters);
  },
});

const tcpByState: ParityCase = {
  ...tcp("filter_state", [], (letters) =>
    assert.equal(letters, "ceeaaeabbcaccaaeceebecbbcbbdcdbdadbbcbde"),
  ),
  config: {
    listeners: [
      listener(
        [
          extension(
            "envoy.filters.network.set_filter_state",
            "envoy.extensions.filters.network.set_filter_state.v3.Config",
            {
              on_new_connection: [
                {
                  object_key: "who",
                  factory_key: "envoy.hashable_string",
                  format_string: {
                    text_format_source: {
                      inline_string: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                    },
                  },
                },
              ],
            },
          ),
          tcpProxy({ hash_policy: [{ filter_state: { key: "who" } }] }),
        ],
        proxyProtocol,
      ),
    ],
    clusters: [
      cluster("main", {
        load_assignment: { cluster_name: "{case}-main", endpoints: [allHosts] },
        ...ring,
      }),
    ],
  },
};

const weightedByHash: ParityCase = {
  name: "weighted_clusters: use_hash_policy",
  config: http({
    routes: [
      route(
        { prefix: "/" },
        {
          route: {
            weighted_clusters: {
              clusters: hostNames.map((name, index) => ({
                name: `{case}-${name}`,
                weight: 10 * index + 1,
              })),
              use_hash_policy: true,
            },
            hash_policy: [byKey],
          },
        },
      ),
    ],
  }),
  upstreams: hosts,
  run: async (t) =>
    assert.equal(
      await mapping(t),
      "cebdddddddcdcddcceddeeeedeecbcecceedebdcceeddccbdcbccdededebbeddbedecdeedebeeedbbedddddeddeedbcdbcdd",
    ),
};

const query: JsonObject = { query_parameter: { name: "q" } };

const ofCluster = (
  name: string,
  own: readonly JsonObject[],
  more: { readonly route?: readonly JsonObject[]; readonly main?: JsonObject },
  expected: string,
): ParityCase => ({
  name: `the cluster's own policies: ${name}`,
  config: hashing(
    {
      ...ring,
      ...more.main,
      typed_extension_protocol_options: {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
          "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
          explicit_http_config: { http_protocol_options: {} },
          hash_policy: own,
        },
      },
    },
    [allHosts],
    more.route ?? [],
  ),
  upstreams: hosts,
  run: async (t) =>
    assert.equal(
      await answers(
        t,
        keys.slice(0, 40).map((key, index) => get(`/?q=${index % 5}`, `x-key: ${key}`)),
      ),
      expected,
    ),
});

const clusterCases: readonly ParityCase[] = [
  ofCluster("where the route has none", [byKey], {}, "aecdeccebbdceebcbcdebadebcceeccbaeadebec"),
  ofCluster(
    "where the route has its own",
    [byKey],
    { route: [query] },
    "aecdeccebbdceebcbcdebadebcceeccbaeadebec",
  ),
  ofCluster(
    "where the balancer has its own",
    [byKey],
    {
      main: byExtension("ring_hash.v3.RingHash", {
        consistent_hashing_lb_config: { hash_policy: [query] },
      }),
    },
    "cbdcacbdcacbdcacbdcacbdcacbdcacbdcacbdca",
  ),
];

const balancersCookie: ParityCase = {
  name: "the balancer's own policy makes a cookie, too",
  config: hashing(
    byExtension("maglev.v3.Maglev", {
      consistent_hashing_lb_config: {
        hash_policy: [{ cookie: { name: "own", ttl: "9s", path: "/" } }],
      },
    }),
  ),
  upstreams: hosts,
  run: async (t) => {
    const { fields, body } = await t.get("/");
    const cookies = fields.filter(([name]) => name === "set-cookie").map(([, text]) => text);
    assert.equal(cookies.length, 1);
    const [, value] =
      /^own="([0-9a-f]{16})"; Max-Age=9; Path=\/; HttpOnly$/.exec(cookies[0] ?? "") ?? [];
    assert.equal((await t.get("/", `cookie: own=${value}`)).body, body);
  },
};

/** HTTP/2 clients may send each cookie in a field of its own (RFC 9113 §8.2.3). */
const crumbs: ParityCase = {
  name: "cookie: HTTP/2, cookies in several fields",
  config: http({
    routes: [
      route(
        { prefix: "/" },
        { route: { cluster: "{case}-main", hash_policy: [{ cookie: { name: "sticky" } }] } },
      ),
    ],
    manager: { codec_type: "HTTP2" },
    clusters: [
      cluster("main", {
        load_assignment: { cluster_name: "{case}-main", endpoints: [allHosts] },
        ...ring,
      }),
    ],
  }),
  upstreams: hosts,
  run: async (t) => {
    const client = await connectFrames(t);
    let letters = "";
    for (const [index, key] of keys.slice(0, 20).entries()) {
      const id = 2 * index + 1;
      client.message(id, request("GET", "/", ["cookie", "a=b"], ["cookie", `sticky=${key}`]));
      letters += (await client.whole(id)).body;
    }
    assert.equal(letters, "aecdeccebbdceebcbcde");
  },
};

parityArea("balancing-hash-hosts", [
  balancersCookie,
  crumbs,
  ...clusterCases,
  ...boundedCases,
  retrying("on the ring", ring, "deddeeeeeedeeeeddddedddeedeeeddedeededed"),
  retrying("in Maglev's table", maglev, "edddeeddedededddeededeeddedddddeeeedeeee"),
  byAddress("ring hash: by address", ring, ringOwner),
  ...refusals,
  tcp("source_ip", [{ source_ip: {} }], (letters) =>
    assert.equal(letters, "ceeaaeabbcaccaaeceebecbbcbbdcdbdadbbcbde"),
  ),
  tcpByState,
  tcp("without a policy hosts are drawn", [], (letters) => {
    assert.equal(letters.length, 40);
    // One in 5³⁹ runs would use one host only.
    assert.ok(new Set(letters).size > 1);
  }),
  weightedByHash,
]);

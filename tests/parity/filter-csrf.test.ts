import { answer, response } from "../../testkit/fake-upstream.ts";
import { parityArea } from "./harness/area.ts";
import {
  direct,
  extension,
  type HttpOptions,
  http,
  type JsonObject,
  route,
  toCluster,
  virtualHost,
} from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { type Scene, type Seen, scene } from "./harness/scene.ts";

const filterName = "envoy.filters.http.csrf";
const typeName = "envoy.extensions.filters.http.csrf.v3.CsrfPolicy";
const percent = (numerator: number, runtimeKey?: string): JsonObject => ({
  default_value: { numerator, denominator: "HUNDRED" },
  ...(runtimeKey === undefined ? {} : { runtime_key: runtimeKey }),
});
const on: JsonObject = { filter_enabled: percent(100) };
const off: JsonObject = { filter_enabled: percent(0) };
const shadow: JsonObject = { ...off, shadow_enabled: percent(100) };
const perRoute = (policy: JsonObject): JsonObject => ({
  typed_per_filter_config: {
    [filterName]: { "@type": `type.googleapis.com/${typeName}`, ...policy },
  },
});

/** How a request that changes something is answered. */
async function ask(t: CaseContext, host: string, ...fields: readonly string[]): Promise<string> {
  return askWith(t, { method: "POST", host, fields });
}

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly fields: readonly string[];
}

async function askWith(
  t: CaseContext,
  { method = "POST", path = "/", host = "a.example", fields }: Asked,
): Promise<string> {
  const head = [`${method} ${path} HTTP/1.1`, `host: ${host}`, "content-length: 0", ...fields];
  const got = await t.send(`${head.join("\r\n")}\r\n\r\n`);
  return `${got.status} ${got.body}`;
}

/** Valid, invalid and without origin: each is counted before the request is answered. */
const counts = async (t: CaseContext): Promise<string> => {
  const names = ["request_valid", "request_invalid", "missing_source_origin"];
  const values = await Promise.all(names.map((name) => t.stat(`http.{case}.csrf.${name}`)));
  return values.join(" ");
};

interface Parts {
  readonly policy?: JsonObject;
  readonly config?: HttpOptions;
  readonly act: (t: CaseContext) => Promise<Seen>;
  readonly sees: Seen;
}

const csrf = (name: string, { policy = on, config, act, sees }: Parts): Scene => ({
  name,
  config: http({ filters: [extension(filterName, typeName, policy)], ...config }),
  upstream: answer(response(200, "ok")),
  act,
  sees,
});

const each = async (
  t: CaseContext,
  pairs: readonly (readonly [host: string, ...fields: string[]])[],
): Promise<Seen> => {
  const seen: string[] = [];
  for (const [host, ...fields] of pairs)
    seen.push(`${host} ${fields.join(", ")}: ${await ask(t, host, ...fields)}`);
  return seen;
};

const askAll = async (t: CaseContext, origins: readonly string[]): Promise<Seen> => {
  const seen: string[] = [];
  for (const origin of origins)
    seen.push(`${origin} ${await ask(t, "a.example", `origin: ${origin}`)}`);
  return seen;
};

const noUrls: readonly string[] = [
  "//b.example",
  "http://",
  "http:b.example",
  "http:///b.example",
  "http://b.example\\c",
  "http://b%2eexample",
  "http://b.example http://c.example",
  "http://b.example:99999",
  "http://b.example:x",
  "http://b.example:",
  "http://[b.example",
  "http://[::1]]",
  "http://b_b.example",
  "://b.example",
  "1http://b.example",
  "h_x://b.example",
  "http://u@v@b.example",
  "http://b.example#f",
  "http://b.example@",
  "http:// b.example",
  "http://b example",
  "http://*.example",
  "http://b.example,c",
  "http://b!$&'()*+;=~-.example",
  "http://:80",
  "http://b.example/\tx",
  "http://u#@b.example",
  "http://[::1%25eth0]",
  "http://[::1%eth0]:1",
  "http://[g::1]",
  "http://[]",
  "http://b.example:65536",
  "http://b.example/ x",
  "about:blank",
  "NULL",
  "file:///x",
];

/** What is compared of each. */
const urls: readonly (readonly [url: string, hostAndPort: string])[] = [
  ["http://b.example:0", "b.example:0"],
  ["http://b.example:080", "b.example:080"],
  ["http://B.example", "B.example"],
  ["http://b.example.", "b.example."],
  ["h+t-t.p://b.example", "b.example"],
  ["x://b.example", "b.example"],
  ["http://@b.example", "b.example"],
  ["http://u!$&'()*+,;=:~_-.%41@b.example", "b.example"],
  ["http://u/@b.example", "u"],
  ["http://[1.2.3.4]", "[1.2.3.4]"],
  ["http://b.example:65535", "b.example:65535"],
  ['http://b.example/<>{}|^`[]"', "b.example"],
  ["http://b.example?a?b#c#d", "b.example"],
];

const scenes: readonly Scene[] = [
  csrf("the own origin may change things", {
    act: async (t) => {
      return [
        ...[await ask(t, "a.example", "origin: http://a.example"), await t.logLine()],
        await counts(t),
      ];
    },
    sees: ["200 ok", "200 - via_upstream", "1 0 0"],
  }),
  csrf("another origin is refused", {
    act: async (t) => {
      return [
        ...[await ask(t, "a.example", "origin: http://b.example"), await t.logLine()],
        await counts(t),
      ];
    },
    sees: ["403 Invalid origin", "403 - csrf_origin_mismatch", "0 1 0"],
  }),
  csrf("no origin at all is refused", {
    act: async (t) => {
      return [...[await ask(t, "a.example"), await t.logLine()], await counts(t)];
    },
    sees: ["403 Invalid origin", "403 - csrf_origin_mismatch", "0 0 1"],
  }),
  csrf("only methods that change something are asked", {
    act: async (t) => {
      const seen: string[] = [];
      for (const method of ["GET", "OPTIONS", "TRACE", "POST", "PUT", "DELETE", "PATCH"])
        seen.push(
          `${method} ${await askWith(t, { method, fields: ["origin: http://b.example"] })}`,
        );
      return [...seen, await counts(t)];
    },
    sees: [
      "GET 200 ok",
      "OPTIONS 200 ok",
      "TRACE 200 ok",
      "POST 403 Invalid origin",
      "PUT 403 Invalid origin",
      "DELETE 403 Invalid origin",
      "PATCH 403 Invalid origin",
      "0 4 0",
    ],
  }),
  csrf("the referer stands in for the origin", {
    act: (t) =>
      each(t, [
        ["a.example", "referer: http://a.example/page?q=1"],
        ["a.example", "referer: http://b.example/page"],
        ["a.example", "origin: http://b.example", "referer: http://a.example/"],
        ["a.example", "origin:", "referer: http://a.example/"],
        ["a.example", "referer: /page"],
      ]),
    sees: [
      "a.example referer: http://a.example/page?q=1: 200 ok",
      "a.example referer: http://b.example/page: 403 Invalid origin",
      "a.example origin: http://b.example, referer: http://a.example/: 403 Invalid origin",
      "a.example origin:, referer: http://a.example/: 200 ok",
      "a.example referer: /page: 403 Invalid origin",
    ],
  }),
  csrf("what is the same origin", {
    act: (t) =>
      each(t, [
        ["a.example", "origin: https://a.example"],
        ["a.example", "origin: http://a.example:80"],
        ["a.example", "origin: https://a.example:443"],
        ["a.example", "origin: http://a.example:8080"],
        ["a.example:8080", "origin: http://a.example:8080"],
        ["a.example:80", "origin: http://a.example"],
        ["a.example:80", "origin: http://a.example:80"],
        ["a.example", "origin: http://A.EXAMPLE"],
        ["A.EXAMPLE", "origin: http://a.example"],
        ["A.EXAMPLE", "origin: http://A.EXAMPLE"],
        ["a.example", "origin: a.example"],
        ["a.example", "origin: A.example"],
        ["a.example", "origin: //a.example"],
        ["a.example", "origin: null"],
        ["null", "origin: null"],
        ["a.example", "origin: null", "referer: http://a.example/"],
        ["a.example", "origin: NULL"],
        ["a.example", "origin: http://u:p@a.example"],
        ["a.example", "origin: ftp://a.example"],
        ["a.example", "origin: ws://a.example"],
        ["a.example", "origin: moz-extension://a.example"],
        ["a.example", "origin: http://"],
        ["a.example", "origin: http://a.example."],
        ["a.example", "origin: http://a.example?x"],
        ["a.example", "origin: http://a.example:99999"],
        ["a.example", "origin: http:a.example"],
        ["a.example", "origin: http:///a.example"],
        ["a.example", "origin: http://a.example\\b"],
        ["a.example", "origin: http://a%2eexample"],
        ["a.example", "origin: http://a.example http://b.example"],
        ["[::1]:80", "origin: http://[::1]:80"],
        ["[::1]", "origin: http://[0:0::1]"],
        ["127.0.0.1", "origin: http://127.1"],
        ["127.0.0.1", "origin: http://0x7f000001"],
        ["b%c3%bccher.example", "origin: http://b\u00fccher.example"],
      ]),
    sees: [
      "a.example origin: https://a.example: 200 ok",
      "a.example origin: http://a.example:80: 403 Invalid origin",
      "a.example origin: https://a.example:443: 403 Invalid origin",
      "a.example origin: http://a.example:8080: 403 Invalid origin",
      "a.example:8080 origin: http://a.example:8080: 200 ok",
      "a.example:80 origin: http://a.example: 403 Invalid origin",
      "a.example:80 origin: http://a.example:80: 200 ok",
      "a.example origin: http://A.EXAMPLE: 403 Invalid origin",
      "A.EXAMPLE origin: http://a.example: 403 Invalid origin",
      "A.EXAMPLE origin: http://A.EXAMPLE: 200 ok",
      "a.example origin: a.example: 200 ok",
      "a.example origin: A.example: 403 Invalid origin",
      "a.example origin: //a.example: 403 Invalid origin",
      "a.example origin: null: 403 Invalid origin",
      "null origin: null: 403 Invalid origin",
      "a.example origin: null, referer: http://a.example/: 403 Invalid origin",
      "a.example origin: NULL: 403 Invalid origin",
      "a.example origin: http://u:p@a.example: 200 ok",
      "a.example origin: ftp://a.example: 200 ok",
      "a.example origin: ws://a.example: 200 ok",
      "a.example origin: moz-extension://a.example: 200 ok",
      "a.example origin: http://: 403 Invalid origin",
      "a.example origin: http://a.example.: 403 Invalid origin",
      "a.example origin: http://a.example?x: 200 ok",
      "a.example origin: http://a.example:99999: 403 Invalid origin",
      "a.example origin: http:a.example: 403 Invalid origin",
      "a.example origin: http:///a.example: 403 Invalid origin",
      "a.example origin: http://a.example\\b: 403 Invalid origin",
      "a.example origin: http://a%2eexample: 403 Invalid origin",
      "a.example origin: http://a.example http://b.example: 403 Invalid origin",
      "[::1]:80 origin: http://[::1]:80: 200 ok",
      "[::1] origin: http://[0:0::1]: 403 Invalid origin",
      "127.0.0.1 origin: http://127.1: 403 Invalid origin",
      "127.0.0.1 origin: http://0x7f000001: 403 Invalid origin",
      "b%c3%bccher.example origin: http://bücher.example: 403 Invalid origin",
    ],
  }),
  csrf("what is no URL is compared as it stands", {
    policy: { ...on, additional_origins: noUrls.map((text) => ({ exact: text })) },
    act: (t) => askAll(t, noUrls),
    sees: noUrls.map((text) => `${text} 200 ok`),
  }),
  csrf("of a URL host and port count", {
    policy: { ...on, additional_origins: urls.map(([, text]) => ({ exact: text })) },
    act: (t) =>
      askAll(
        t,
        urls.map(([url]) => url),
      ),
    sees: urls.map(([url]) => `${url} 200 ok`),
  }),
  csrf("several origins are one text", {
    act: (t) => each(t, [["a.example", "origin: http://a.example", "origin: http://b.example"]]),
    sees: ["a.example origin: http://a.example, origin: http://b.example: 403 Invalid origin"],
  }),
  csrf("additional origins are matched without scheme", {
    policy: {
      ...on,
      additional_origins: [
        { exact: "b.example" },
        { suffix: ".c.example" },
        { safe_regex: { regex: "d\\.example:[0-9]+" } },
        { exact: "E.EXAMPLE", ignore_case: true },
        { exact: "null" },
      ],
    },
    act: async (t) => {
      return [
        ...(await each(t, [
          ["a.example", "origin: http://b.example"],
          ["a.example", "origin: https://x.c.example"],
          ["a.example", "origin: https://d.example:1"],
          ["a.example", "origin: https://d.example"],
          ["a.example", "origin: https://e.example"],
          ["a.example", "origin: null"],
          ["a.example", "referer: null"],
          ["a.example", "origin: https://f.example"],
        ])),
        await counts(t),
      ];
    },
    sees: [
      "a.example origin: http://b.example: 200 ok",
      "a.example origin: https://x.c.example: 200 ok",
      "a.example origin: https://d.example:1: 200 ok",
      "a.example origin: https://d.example: 403 Invalid origin",
      "a.example origin: https://e.example: 200 ok",
      "a.example origin: null: 403 Invalid origin",
      "a.example referer: null: 200 ok",
      "a.example origin: https://f.example: 403 Invalid origin",
      "5 2 1",
    ],
  }),
  csrf("an additional origin that matches nothing does not make it present", {
    policy: { ...on, additional_origins: [{ safe_regex: { regex: ".*" } }] },
    act: async (t) => {
      return [
        ...(await each(t, [["a.example"], ["a.example", "origin: http://b.example"]])),
        await counts(t),
      ];
    },
    sees: ["a.example : 403 Invalid origin", "a.example origin: http://b.example: 200 ok", "1 0 1"],
  }),
  csrf("off", {
    policy: off,
    act: async (t) => {
      return [
        ...(await each(t, [["a.example"], ["a.example", "origin: http://b.example"]])),
        await counts(t),
      ];
    },
    sees: ["a.example : 200 ok", "a.example origin: http://b.example: 200 ok", "0 0 0"],
  }),
  csrf("shadow: counted, not enforced", {
    policy: shadow,
    act: async (t) => {
      return [
        ...(await each(t, [
          ["a.example"],
          ["a.example", "origin: http://b.example"],
          ["a.example", "origin: http://a.example"],
        ])),
        await counts(t),
      ];
    },
    sees: [
      "a.example : 200 ok",
      "a.example origin: http://b.example: 200 ok",
      "a.example origin: http://a.example: 200 ok",
      "1 1 1",
    ],
  }),
  csrf("shadow beside on: enforced", {
    policy: { ...on, shadow_enabled: percent(100) },
    act: (t) => each(t, [["a.example", "origin: http://b.example"]]),
    sees: ["a.example origin: http://b.example: 403 Invalid origin"],
  }),
  {
    ...csrf("the runtime switches it", {
      policy: {
        filter_enabled: percent(100, "csrf.on"),
        shadow_enabled: percent(0, "csrf.shadow"),
      },
      act: async (t) => {
        const foe = ["a.example", "origin: http://b.example"] as const;
        const before = await each(t, [foe]);
        await t.admin("/runtime_modify?csrf.on=0&csrf.shadow=100", "POST");
        const after = await each(t, [foe]);
        return [...before, ...after, await counts(t)];
      },
      sees: [
        "a.example origin: http://b.example: 403 Invalid origin",
        "a.example origin: http://b.example: 200 ok",
        "0 2 0",
      ],
    }),
    own: { bootstrap: { layered_runtime: { layers: [{ name: "admin", admin_layer: {} }] } } },
  },
  csrf("the most specific level counts alone", {
    policy: off,
    config: {
      virtualHosts: [
        virtualHost(
          "all",
          ["*"],
          [
            route(
              { prefix: "/route" },
              {
                ...toCluster(),
                ...perRoute({ ...on, additional_origins: [{ exact: "r.example" }] }),
              },
            ),
            route(
              { prefix: "/weighted" },
              {
                route: {
                  weighted_clusters: {
                    clusters: [{ name: "{case}-main", weight: 1, ...perRoute(shadow) }],
                  },
                },
              },
            ),
            route({ prefix: "/direct" }, direct("hi")),
            route(),
          ],
          perRoute({ ...on, additional_origins: [{ exact: "h.example" }] }),
        ),
      ],
    },
    act: async (t) => {
      const seen: string[] = [];
      for (const path of ["/route", "/weighted", "/direct", "/"])
        for (const origin of ["r.example", "h.example"]) {
          const got = await askWith(t, { path, fields: [`origin: http://${origin}`] });
          seen.push(`${path} ${origin} ${got}`);
        }
      return seen;
    },
    sees: [
      "/route r.example 200 ok",
      "/route h.example 403 Invalid origin",
      "/weighted r.example 200 ok",
      "/weighted h.example 200 ok",
      "/direct r.example 403 Invalid origin",
      "/direct h.example 200 hi",
      "/ r.example 403 Invalid origin",
      "/ h.example 200 ok",
    ],
  }),
  csrf("a request that no route takes is asked too", {
    config: { virtualHosts: [virtualHost("none", ["nobody"], [route()])] },
    act: async (t) => [await ask(t, "a.example", "origin: http://b.example"), await t.logLine()],
    sees: ["403 Invalid origin", "403 - csrf_origin_mismatch"],
  }),
];

parityArea("filter-csrf", scenes.map(scene));

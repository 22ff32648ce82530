import { answer, response } from "../../testkit/fake-upstream.ts";
import { parityArea } from "./harness/area.ts";
import {
  cluster,
  connectionManager,
  extension,
  type HttpOptions,
  http,
  type JsonObject,
  listener,
  route,
  toCluster,
  virtualHost,
} from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { lines } from "./harness/http1.ts";
import { type Scene, type Seen, scene } from "./harness/scene.ts";

const filterName = "envoy.filters.http.set_filter_state";
const typeName = "envoy.extensions.filters.http.set_filter_state.v3.Config";
const filter = (...values: readonly JsonObject[]): JsonObject =>
  extension(filterName, typeName, { on_request_headers: values });
const perRoute = (...values: readonly JsonObject[]): JsonObject => ({
  typed_per_filter_config: {
    [filterName]: { "@type": `type.googleapis.com/${typeName}`, on_request_headers: values },
  },
});
const networkFilter = (...values: readonly JsonObject[]): JsonObject =>
  extension(
    "envoy.filters.network.set_filter_state",
    "envoy.extensions.filters.network.set_filter_state.v3.Config",
    { on_new_connection: values },
  );

const format = (inline: string): JsonObject => ({
  format_string: { text_format_source: { inline_string: inline } },
});
/** A string under a key of its own. */
const text = (key: string, value: string, more: JsonObject = {}): JsonObject => ({
  object_key: key,
  factory_key: "envoy.string",
  ...format(value),
  ...more,
});
const known = (key: string, value: string, more: JsonObject = {}): JsonObject => ({
  object_key: key,
  ...format(value),
  ...more,
});

async function each(t: CaseContext, ...requests: readonly (readonly string[])[]): Promise<Seen> {
  for (const [path = "/", ...fields] of requests)
    await t.send(lines(`GET ${path} HTTP/1.1`, "host: a.example", ...fields));
  return t.log(requests.length);
}

interface Parts {
  readonly values?: readonly JsonObject[];
  readonly options?: HttpOptions;
  readonly log: string;
  readonly requests?: readonly (readonly string[])[];
  readonly sees: Seen;
}

const state = (
  name: string,
  { values = [], options, log, requests = [["/"]], sees }: Parts,
): Scene => ({
  name,
  config: http({ logFormat: log, filters: [filter(...values)], ...options }),
  upstream: answer(response(200, "ok")),
  act: (t) => each(t, ...requests),
  sees,
});

const scenes: readonly Scene[] = [
  state("a string in every spelling", {
    values: [text("k", "%REQ(x-a)%!")],
    log: "%FILTER_STATE(k)% %FILTER_STATE(k:TYPED)% %FILTER_STATE(k:PLAIN)% %FILTER_STATE(none:PLAIN)%",
    requests: [["/", "x-a: 1"], ["/"], ["/", 'x-a: "quoted"'], ["/", "x-a: gr\u00c3\u00bc"]],
    sees: [
      '"1!" "1!" 1! -',
      '"-!" "-!" -! -',
      '"\\"quoted\\"!" "\\"quoted\\"!" "quoted"! -',
      '"grü!" "grü!" grü! -',
    ],
  }),
  state("an empty value is a value unless it is to be skipped", {
    values: [
      text("empty", "%REQ(x-a)%", {
        format_string: {
          text_format_source: { inline_string: "%REQ(x-a)%" },
          omit_empty_values: true,
        },
      }),
      text("skipped", "", {
        format_string: {
          text_format_source: { inline_string: "%REQ(x-a)%" },
          omit_empty_values: true,
        },
        skip_if_empty: true,
      }),
      text("dash", "%REQ(x-a)%", { skip_if_empty: true }),
    ],
    log: "[%FILTER_STATE(empty:PLAIN)%] [%FILTER_STATE(skipped:PLAIN)%] [%FILTER_STATE(dash:PLAIN)%]",
    requests: [["/"], ["/", "x-a: 1"]],
    sees: ["[] [-] [-]", "[1] [1] [1]"],
  }),
  state("the later of two wins, a skipped one does not", {
    values: [
      text("a", "first"),
      text("a", "second"),
      text("b", "first"),
      text("b", "", {
        format_string: {
          text_format_source: { inline_string: "%REQ(x-a)%" },
          omit_empty_values: true,
        },
        skip_if_empty: true,
      }),
    ],
    log: "%FILTER_STATE(a:PLAIN)% %FILTER_STATE(b:PLAIN)%",
    requests: [["/"], ["/", "x-a: 1"]],
    sees: ["second first", "second 1"],
  }),
  state("read-only: the first stays", {
    values: [
      text("a", "first", { read_only: true }),
      text("a", "second"),
      text("b", "first"),
      text("b", "second", { read_only: true }),
      text("b", "third", { read_only: true }),
    ],
    log: "%FILTER_STATE(a:PLAIN)% %FILTER_STATE(b:PLAIN)%",
    sees: ["second third"],
  }),
  state("an IP address, or nothing", {
    values: [known("envoy.network.ip", "%REQ(x-a)%")],
    log: "%FILTER_STATE(envoy.network.ip)% %FILTER_STATE(envoy.network.ip:PLAIN)%",
    requests: [
      ["/", "x-a: 1.2.3.4"],
      ["/", "x-a: ::1"],
      ["/", "x-a: 2001:DB8:0::1"],
      ["/", "x-a: 1.2.3.4:80"],
      ["/", "x-a: nobody"],
      ["/"],
    ],
    sees: ["- 1.2.3.4:0", "- [::1]:0", "- [2001:db8::1]:0", "- -", "- -", "- -"],
  }),
  state("a boolean, or nothing", {
    values: [known("envoy.bool", "%REQ(x-a)%")],
    log: "%FILTER_STATE(envoy.bool)% %FILTER_STATE(envoy.bool:PLAIN)%",
    requests: [
      ["/", "x-a: true"],
      ["/", "x-a: false"],
      ["/", "x-a: TRUE"],
      ["/", "x-a: 1"],
      ["/", "x-a: yes"],
    ],
    sees: ["true true", "false false", "true true", "true true", "true true"],
  }),
  state("a hashable string", {
    values: [
      known("envoy.hashable_string", "a"),
      known("h", "b", { factory_key: "envoy.hashable_string" }),
    ],
    log: "%FILTER_STATE(envoy.hashable_string)% %FILTER_STATE(envoy.hashable_string:PLAIN)% %FILTER_STATE(h:PLAIN)%",
    sees: ['"a" a b'],
  }),
  state("objects that other filters act on", {
    values: [known("envoy.tcp_proxy.cluster", "c")],
    log: "%FILTER_STATE(envoy.tcp_proxy.cluster)% %FILTER_STATE(envoy.tcp_proxy.cluster:PLAIN)%",
    sees: ["- c"],
  }),
  state("RBAC asks for strings and addresses", {
    options: {
      filters: [
        filter(text("who", "%REQ(x-who)%"), known("envoy.network.ip", "%REQ(x-ip)%")),
        extension("envoy.filters.http.rbac", "envoy.extensions.filters.http.rbac.v3.RBAC", {
          rules: {
            action: "ALLOW",
            policies: {
              some: {
                permissions: [{ any: true }],
                principals: [
                  { filter_state: { key: "who", string_match: { exact: "friend" } } },
                  {
                    filter_state: {
                      key: "envoy.network.ip",
                      address_match: {
                        ranges: [{ address_prefix: "10.0.0.0", prefix_len: 8 }],
                      },
                    },
                  },
                ],
              },
            },
          },
        }),
      ],
    },
    log: "%RESPONSE_CODE%",
    requests: [
      ["/", "x-who: friend"],
      ["/", "x-who: foe"],
      ["/", "x-ip: 10.1.2.3"],
      ["/", "x-ip: 11.1.2.3"],
      ["/", "x-ip: 10.1.2.3.4"],
    ],
    sees: ["200", "403", "200", "403", "403"],
  }),
  state("routes", {
    values: [text("a", "listener"), text("b", "listener")],
    options: {
      virtualHosts: [
        virtualHost(
          "all",
          ["*"],
          [
            route({ prefix: "/route" }, { ...toCluster(), ...perRoute(text("b", "route")) }),
            route({ prefix: "/empty" }, { ...toCluster(), ...perRoute() }),
            route(),
          ],
          perRoute(text("a", "host"), text("c", "host")),
        ),
      ],
    },
    log: "%FILTER_STATE(a:PLAIN)% %FILTER_STATE(b:PLAIN)% %FILTER_STATE(c:PLAIN)%",
    requests: [["/route"], ["/empty"], ["/"]],
    sees: ["host route host", "host listener host", "host listener host"],
  }),
  {
    name: "a connection's state is that of its requests",
    config: {
      listeners: [
        listener([
          networkFilter(
            text("connection", "%PROTOCOL%%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"),
            text("both", "connection"),
            text("locked", "connection", { read_only: true }),
          ),
          connectionManager({
            logFormat:
              "%FILTER_STATE(connection:PLAIN)% %FILTER_STATE(both:PLAIN)% %FILTER_STATE(locked:PLAIN)%",
            filters: [filter(text("both", "request"), text("locked", "request"))],
          }),
        ]),
      ],
    },
    upstream: answer(response(200, "ok")),
    act: (t) => each(t, ["/"]),
    sees: ["-127.0.0.1 connection connection"],
  },
  {
    name: "tcp_proxy takes the cluster that is set",
    config: {
      listeners: [
        listener([
          networkFilter(known("envoy.tcp_proxy.cluster", "{case}-other")),
          extension(
            "envoy.filters.network.tcp_proxy",
            "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            { stat_prefix: "{case}", cluster: "{case}-main" },
          ),
        ]),
      ],
      clusters: [cluster("main"), cluster("other")],
    },
    upstreams: { main: answer(response(200, "main")), other: answer(response(200, "other")) },
    act: async (t) => [(await t.get("/")).body],
    sees: ["other"],
  },
];

parityArea("filter-set-filter-state", scenes.map(scene));

import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import type { SupportedFields } from "./check.ts";
import { ConfigFileError } from "./config-file-error.ts";
import { readMessage } from "./read.ts";

const bootstrap = "envoy.config.bootstrap.v3.Bootstrap";
const listener = "envoy.config.listener.v3.Listener";
const connectionManager =
  "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

interface ReadText {
  readonly type?: string;
  readonly supported?: SupportedFields;
}

function read(texts: string | readonly string[], { type = listener, supported }: ReadText = {}) {
  const inputs = [texts].flat().map((text, index) => ({ name: `in${index}.yaml`, text }));
  return readMessage({ typeName: type, inputs, supported });
}

function problemsOf(texts: string | readonly string[], options?: ReadText): readonly string[] {
  try {
    read(texts, options);
  } catch (error) {
    assert.ok(error instanceof ConfigFileError, String(error));
    return error.message.split("\n");
  }
  return [];
}

const accepted: readonly (readonly [name: string, text: string, expected: JsonObject])[] = [
  [
    "both spellings of names",
    "stat_prefix: a\ntcpBacklogSize: 7",
    { statPrefix: "a", tcpBacklogSize: 7 },
  ],
  [
    "durations in canonical form",
    "listener_filters_timeout: 1.50s",
    { listenerFiltersTimeout: "1.500s" },
  ],
  ["a wrapper of the default stays", "bind_to_port: false", { bindToPort: false }],
  ["a default goes", 'stat_prefix: ""\ndrain_type: DEFAULT', {}],
  ["YAML 1.1's words", "bind_to_port: no", { bindToPort: false }],
  [
    "quoted booleans and numbers",
    'bind_to_port: "true"\ntcp_backlog_size: "10"',
    { bindToPort: true, tcpBacklogSize: 10 },
  ],
  ["integers with an empty fraction", "tcp_backlog_size: 10.0", { tcpBacklogSize: 10 }],
  ["enums by number and in any case", "drain_type: 1", { drainType: "MODIFY_ONLY" }],
  ["enums in lower case", "drain_type: modify_only", { drainType: "MODIFY_ONLY" }],
  ["one value for a list", "filter_chains: {name: a}", { filterChains: [{ name: "a" }] }],
  [
    "a oneof's other members are not required",
    "filter_chains: {filters: {name: a}}\nlistener_filters: {name: b, filter_disabled: {any_match: true}}",
    {
      filterChains: [{ filters: [{ name: "a" }] }],
      listenerFilters: [{ name: "b", filterDisabled: { anyMatch: true } }],
    },
  ],
  ["null for none", "stat_prefix: a\naddress:", { statPrefix: "a" }],
  [
    "anchors",
    "metadata: {filter_metadata: {a: &x {k: 1}, b: *x}}",
    { metadata: { filterMetadata: { a: { k: 1 }, b: { k: 1 } } } },
  ],
  [
    "TypedStruct is unpacked",
    `listener_filters:
- name: a
  typed_config:
    "@type": type.googleapis.com/xds.type.v3.TypedStruct
    type_url: type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst
    value: {}`,
    {
      listenerFilters: [
        {
          name: "a",
          typedConfig: {
            "@type":
              "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
          },
        },
      ],
    },
  ],
];

for (const [name, text, expected] of accepted) {
  test(`accepted: ${name}`, () => {
    assert.deepEqual(read(text), expected);
  });
}

const refusals: readonly (readonly [name: string, text: string, ...problems: string[]])[] = [
  [
    "unknown field",
    "stat_prefix: a\nstat_prefx: b",
    'in0.yaml:2:1: stat_prefx: unknown field of envoy.config.listener.v3.Listener; did you mean "stat_prefix"?',
  ],
  [
    "number for a string",
    "stat_prefix: 12",
    "in0.yaml:1:14: stat_prefix: must be a string, not 12 (quote it)",
  ],
  ["string for a map", "address: x", 'in0.yaml:1:10: address: must be a map, not "x"'],
  [
    "number for a boolean",
    "bind_to_port: 1",
    "in0.yaml:1:15: bind_to_port: must be true or false, not 1",
  ],
  [
    "fraction for an integer",
    "tcp_backlog_size: 1.5",
    "in0.yaml:1:19: tcp_backlog_size: must be an integer, not 1.5",
  ],
  [
    "negative for unsigned",
    "tcp_backlog_size: -1",
    "in0.yaml:1:19: tcp_backlog_size: -1 is not between 0 and 4294967295",
  ],
  [
    "duration without unit",
    "listener_filters_timeout: 5",
    'in0.yaml:1:27: listener_filters_timeout: must be a duration in seconds such as "1.5s", not 5',
  ],
  [
    "duration in milliseconds",
    "listener_filters_timeout: 500ms",
    'in0.yaml:1:27: listener_filters_timeout: must be a duration in seconds such as "1.5s", not "500ms"',
  ],
  [
    "negative duration",
    "listener_filters_timeout: -1s",
    "in0.yaml:1:27: listener_filters_timeout: must not be negative",
  ],
  [
    "unknown enum value",
    "drain_type: MODIFY",
    'in0.yaml:1:13: drain_type: "MODIFY" is not a value of envoy.config.listener.v3.Listener.DrainType; it has DEFAULT, MODIFY_ONLY',
  ],
  [
    "a field in both spellings",
    "stat_prefix: a\nstatPrefix: b",
    "in0.yaml:2:1: statPrefix: cannot be given together with stat_prefix: the same field",
  ],
  [
    "two members of a oneof",
    "address: {socket_address: {address: a, port_value: 1}, pipe: {path: /a}}",
    "in0.yaml:1:56: address.pipe: cannot be given together with socket_address: both are address",
  ],
  [
    "no member of a required oneof",
    "address: {socket_address: {address: a}}",
    "in0.yaml:1:27: address.socket_address: one of port_value, named_port is required",
  ],
  [
    "rules for numbers and strings",
    'address: {socket_address: {address: "", port_value: 70000}}',
    "in0.yaml:1:37: address.socket_address.address: value is required: at least 1 of its characters",
    "in0.yaml:1:53: address.socket_address.port_value: value must be less than or equal to 65535",
  ],
  [
    "unknown extension",
    'listener_filters: [{name: a, typed_config: {"@type": type.googleapis.com/nobody.Knows}}]',
    'in0.yaml:1:54: listener_filters[0].typed_config.@type: unknown type "type.googleapis.com/nobody.Knows"',
  ],
  [
    "no @type",
    "listener_filters: [{name: a, typed_config: {x: 1}}]",
    'in0.yaml:1:44: listener_filters[0].typed_config: "@type" is missing',
  ],
  [
    "in an extension: a required field, a duration, a header name",
    `filter_chains:
- filters:
  - name: hcm
    typed_config:
      "@type": ${connectionManager}
      drain_timeout: 1m
      route_config:
        request_headers_to_remove: ["a\\nb"]`,
    'in0.yaml:6:22: filter_chains[0].filters[0].typed_config.drain_timeout: must be a duration in seconds such as "1.5s", not "1m"',
    "in0.yaml:5:7: filter_chains[0].filters[0].typed_config.stat_prefix: value is required: at least 1 of its characters",
    "in0.yaml:8:37: filter_chains[0].filters[0].typed_config.route_config.request_headers_to_remove[0]: value is not an HTTP header name",
  ],
  ["a duplicate key", "name: a\nname: b", "in0.yaml:2:1: Map keys must be unique"],
  ["an empty text", "", "in0.yaml:1:1: the file is empty"],
  ["broken JSON", '{"name": ', "in0.yaml:1:10: Flow map must end with a }"],
];

for (const [name, text, ...expected] of refusals) {
  test(`refused: ${name}`, () => {
    assert.deepEqual(problemsOf(text), expected);
  });
}

test("JSON's problems have lines too", () => {
  assert.deepEqual(problemsOf('{\n "name": "a",\n "nam": "b"\n}'), [
    'in0.yaml:3:2: nam: unknown field of envoy.config.listener.v3.Listener; did you mean "name"?',
  ]);
});

test("what is not in the table is refused, unless it is the default", () => {
  const supported = new Map([[listener, new Set(["name"])]]);
  assert.deepEqual(problemsOf("name: a\ntransparent: true\nstat_prefix: ''", { supported }), [
    "in0.yaml:2:1: transparent: is not supported by Heddle",
  ]);
});

test("an extension that is not in the table is refused by its type", () => {
  const supported = new Map([
    [listener, new Set(["listener_filters"])],
    ["envoy.config.listener.v3.ListenerFilter", new Set(["name", "typed_config"])],
  ]);
  const type = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";
  const text = `listener_filters: [{name: a, typed_config: {"@type": type.googleapis.com/${type}}}]`;
  assert.deepEqual(problemsOf(text, { supported }), [
    `in0.yaml:1:44: listener_filters[0].typed_config: extension ${type} is not supported by Heddle`,
  ]);
});

test("a header name that is not strict may be empty", () => {
  const type = "envoy.config.route.v3.WeightedCluster";
  assert.deepEqual(read("clusters: [{name: c, weight: 1}]", { type }), {
    clusters: [{ name: "c", weight: 1 }],
  });
});

test("an overlay replaces values, merges messages and appends to lists", () => {
  const base = "node: {id: a, cluster: c}\nstatic_resources: {listeners: [{name: a}]}";
  const overlay = "node: {id: b}\nstatic_resources: {listeners: [{name: b}]}";
  assert.deepEqual(read([base, overlay], { type: bootstrap }), {
    node: { id: "b", cluster: "c" },
    staticResources: { listeners: [{ name: "a" }, { name: "b" }] },
  });
});

test("a problem of an overlay is found in the overlay", () => {
  const base = "static_resources: {listeners: [{name: a}]}";
  const overlay =
    "\nstatic_resources: {listeners: [{address: {socket_address: {address: a, port_value: 70000}}}]}";
  assert.deepEqual(problemsOf([base, overlay], { type: bootstrap }), [
    "in1.yaml:2:84: static_resources.listeners[0].address.socket_address.port_value: value must be less than or equal to 65535",
  ]);
});

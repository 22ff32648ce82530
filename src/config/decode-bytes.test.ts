import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  toBinary,
} from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { registry } from "#gen/registry.js";
import { seededRandom } from "../../testkit/seeded-random.ts";
import { type BytesOptions, type DecodedBytes, decodeBytes } from "./decode-bytes.ts";
import { readMessage } from "./read.ts";

const everything: BytesOptions = { registry, supported: undefined };

function messageOf(typeName: string): DescMessage {
  const message = registry.getMessage(typeName);
  assert.ok(message, typeName);
  return message;
}

const cluster = messageOf("envoy.config.cluster.v3.Cluster");
const listener = messageOf("envoy.config.listener.v3.Listener");
const route = messageOf("envoy.config.route.v3.RouteConfiguration");

function bytesOf(message: DescMessage, json: JsonObject): Uint8Array {
  return toBinary(message, fromJson(message, json, { registry }));
}

function decode(
  message: DescMessage,
  bytes: Uint8Array,
  options: Partial<BytesOptions> = {},
): DecodedBytes {
  return decodeBytes(message, bytes, { ...everything, ...options });
}

/** Keys in one order: the bytes have their own. */
function sorted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}

const url = (type: string): string => `type.googleapis.com/${type}`;

const samples: readonly [DescMessage, JsonObject][] = [
  [
    cluster,
    {
      name: "outbound|9080||a.example",
      type: "EDS",
      edsClusterConfig: { edsConfig: { ads: {}, initialFetchTimeout: "0s" }, serviceName: "a" },
      connectTimeout: "1.250s",
      perConnectionBufferLimitBytes: 0,
      lbPolicy: "RING_HASH",
      ringHashLbConfig: { minimumRingSize: "1024", hashFunction: "XX_HASH" },
      circuitBreakers: { thresholds: [{ priority: "HIGH", maxRequests: 7, trackRemaining: true }] },
      commonLbConfig: { healthyPanicThreshold: { value: 12.5 }, localityWeightedLbConfig: {} },
      metadata: { filterMetadata: { istio: { list: [1, "two", null, { three: true }] } } },
      lbSubsetConfig: { subsetSelectors: [{ keys: ["a", "b"] }, { keys: ["c"] }] },
      upstreamBindConfig: { sourceAddress: { address: "127.0.0.1", portValue: 0 } },
      typedExtensionProtocolOptions: {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
          "@type": url("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
          explicitHttpConfig: { http2ProtocolOptions: { maxConcurrentStreams: 5 } },
        },
      },
    },
  ],
  [
    listener,
    {
      name: "in",
      address: { socketAddress: { address: "::", portValue: 15006, protocol: "TCP" } },
      trafficDirection: "INBOUND",
      listenerFiltersTimeout: "0.000000001s",
      filterChains: [
        {
          filterChainMatch: { prefixRanges: [{ addressPrefix: "10.0.0.0", prefixLen: 8 }] },
          filters: [
            {
              name: "tcp",
              typedConfig: {
                "@type": url("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"),
                statPrefix: "tcp",
                weightedClusters: { clusters: [{ name: "a", weight: 1 }] },
                hashPolicy: [{ sourceIp: {} }],
              },
            },
          ],
        },
      ],
    },
  ],
  [
    route,
    {
      name: "r",
      validateClusters: false,
      virtualHosts: [
        {
          name: "v",
          domains: ["*"],
          routes: [
            {
              match: { prefix: "" },
              redirect: { responseCode: "FOUND", stripQuery: true },
              typedPerFilterConfig: {
                a: { "@type": url("google.protobuf.Struct"), value: { x: 1 } },
                b: { "@type": url("google.protobuf.Duration"), value: "3s" },
                c: { "@type": url("google.protobuf.Empty") },
              },
            },
            {
              match: { path: "/x" },
              directResponse: { status: 200, body: { inlineBytes: "AQI=" } },
            },
          ],
        },
      ],
    },
  ],
];

for (const [message, json] of samples) {
  test(`${message.name}: bytes say what the text says`, () => {
    const inputs = [{ name: "text", text: JSON.stringify(json) }];
    const text = readMessage({ typeName: message.typeName, inputs, supported: undefined });
    const decoded = decode(message, bytesOf(message, json));
    assert.deepEqual(sorted(decoded.json), sorted(text));
    assert.deepEqual([decoded.invalid, decoded.unsupported], [[], []]);
    assert.equal(decoded.unknownFields, 0);
  });
}

test("rules and fields that are not supported are apart, each with its path", () => {
  const json = { name: "a", connectTimeout: "0s", commonLbConfig: { healthyPanicThreshold: {} } };
  const supported = new Map([
    ["envoy.config.cluster.v3.Cluster", new Set(["name", "connect_timeout", "common_lb_config"])],
    ["envoy.config.cluster.v3.Cluster.CommonLbConfig", new Set<string>()],
  ]);
  const { invalid, unsupported } = decode(cluster, bytesOf(cluster, json), { supported });
  assert.deepEqual(invalid, [
    { path: "connect_timeout", message: "value must be greater than 0s" },
  ]);
  assert.deepEqual(unsupported, [
    { path: "common_lb_config.healthy_panic_threshold", message: "is not supported by Heddle" },
  ]);
});

test("fields that are newer than the .proto files are counted and ignored, also inside", () => {
  const inner = new BinaryWriter().tag(9999, WireType.Varint).uint32(1);
  const config = new BinaryWriter().raw(inner.finish());
  const bytes = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .string("a")
    .tag(5000, WireType.LengthDelimited)
    .string("new")
    // common_lb_config
    .tag(27, WireType.LengthDelimited)
    .bytes(config.finish())
    // `name` with another type than it has
    .tag(1, WireType.Varint)
    .uint32(7)
    .finish();
  const decoded = decode(cluster, bytes);
  assert.deepEqual(decoded.json, { name: "a", commonLbConfig: {} });
  assert.equal(decoded.unknownFields, 3);
});

test("an extension that nobody knows is one that is not supported", () => {
  const any = messageOf("google.protobuf.Any");
  const anyBytes = toBinary(
    any,
    Object.assign(fromJson(any, {}), { typeUrl: url("a.b.C"), value: Buffer.from([1]) }),
  );
  const socket = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .string("s")
    .tag(3, WireType.LengthDelimited)
    .bytes(anyBytes);
  const bytes = new BinaryWriter()
    .raw(bytesOf(cluster, { name: "a" }))
    .tag(24, WireType.LengthDelimited)
    .bytes(socket.finish())
    .finish();
  const decoded = decode(cluster, bytes);
  assert.deepEqual(decoded.invalid, []);
  assert.deepEqual(decoded.unsupported, [
    {
      path: "transport_socket.typed_config",
      message: `unknown type "${url("a.b.C")}"`,
    },
  ]);
});

test("a TypedStruct is what is in it", () => {
  const inner = { raw_buffer: 1, stat_prefix: "x", cluster: "c" };
  const typed = {
    "@type": url("xds.type.v3.TypedStruct"),
    typeUrl: url("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"),
    value: inner,
  };
  const json = { name: "l", filterChains: [{ filters: [{ name: "f", typedConfig: typed }] }] };
  const decoded = decode(listener, bytesOf(listener, json));
  assert.deepEqual(decoded.json["filterChains"], [
    {
      filters: [
        {
          name: "f",
          typedConfig: {
            "@type": url("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"),
            statPrefix: "x",
            cluster: "c",
          },
        },
      ],
    },
  ]);
  assert.equal(decoded.unknownFields, 1);
});

test("what comes twice is merged; of a oneof the last member counts", () => {
  const part = (json: JsonObject): Uint8Array => bytesOf(cluster, json);
  const bytes = Buffer.concat([
    part({ name: "a", type: "STRICT_DNS", commonLbConfig: { ignoreNewHostsUntilFirstHc: true } }),
    part({ clusterType: { name: "x" }, commonLbConfig: { closeConnectionsOnHostSetChange: true } }),
    part({ name: "b" }),
  ]);
  assert.deepEqual(decode(cluster, bytes).json, {
    name: "b",
    clusterType: { name: "x" },
    commonLbConfig: { ignoreNewHostsUntilFirstHc: true, closeConnectionsOnHostSetChange: true },
  });
  const dns = Buffer.concat([part({ clusterType: { name: "x" } }), part({ type: "STRICT_DNS" })]);
  assert.deepEqual(decode(cluster, dns).json, { type: "STRICT_DNS" });
});

test("a map's key is anything", () => {
  const filters = JSON.parse('{"__proto__": {"a": 1}, "b": {}}');
  const metadata = messageOf("envoy.config.core.v3.Metadata");
  const { json } = decode(metadata, bytesOf(metadata, { filterMetadata: filters }));
  assert.deepEqual(Object.keys(json["filterMetadata"] ?? {}).sort(), ["__proto__", "b"]);
});

test("a list of numbers may be packed or not", () => {
  const retry = messageOf("envoy.config.route.v3.RetryPolicy");
  const unpacked = new BinaryWriter();
  for (const code of [500, 503]) unpacked.tag(7, WireType.Varint).uint32(code);
  assert.deepEqual(decode(retry, unpacked.finish()).json, { retriableStatusCodes: [500, 503] });
  const packed = bytesOf(retry, { retriableStatusCodes: [500, 503] });
  assert.deepEqual(decode(retry, packed).json, { retriableStatusCodes: [500, 503] });
});

test("messages that are too deep in each other are refused", () => {
  const rule = messageOf("envoy.config.accesslog.v3.AccessLogFilter");
  const and = rule.fields.find(({ name }) => name === "and_filter")?.number ?? 0;
  let bytes = bytesOf(rule, { notHealthCheckFilter: {} });
  for (let depth = 0; depth < 60; depth++) {
    const filters = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(bytes).finish();
    bytes = new BinaryWriter().tag(and, WireType.LengthDelimited).bytes(filters).finish();
  }
  const [problem] = decode(rule, bytes).invalid;
  assert.match(problem?.message ?? "", /more than 100 messages inside each other/);
});

test("broken bytes are a problem, never an error", () => {
  const random = seededRandom(7);
  let broken = 0;
  for (const [message, json] of samples) {
    const good = bytesOf(message, json);
    for (let round = 0; round < 500; round++) {
      const bytes = Uint8Array.from(good).subarray(0, random.below(good.length + 1));
      for (let change = random.below(4); change > 0 && bytes.length > 0; change--)
        bytes[random.below(bytes.length)] = random.below(256);
      if (decode(message, bytes).invalid.length > 0) broken++;
    }
  }
  assert.ok(broken > 100, String(broken));
});

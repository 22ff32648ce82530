import assert from "node:assert/strict";
import { test } from "node:test";
import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { registry } from "#gen/registry.js";

test("top-level and nested messages, enums and services are found by name", () => {
  const cluster = "envoy.config.cluster.v3.Cluster";
  assert.equal(registry.getMessage(cluster)?.typeName, cluster);
  const nested = `${cluster}.LbSubsetConfig.LbSubsetSelector`;
  assert.equal(registry.getMessage(nested)?.typeName, nested);
  assert.equal(registry.getEnum(`${cluster}.DiscoveryType`)?.values[0]?.name, "STATIC");
  const service = "envoy.service.discovery.v3.AggregatedDiscoveryService";
  assert.equal(registry.getService(service)?.methods.length, 2);
  assert.equal(
    registry.getMessage("google.protobuf.Duration")?.typeName,
    "google.protobuf.Duration",
  );
});

test("an unknown type is undefined", () => {
  assert.equal(registry.getMessage("envoy.config.cluster.v3.NoCluster"), undefined);
  assert.equal(registry.getMessage("NoPackage"), undefined);
  assert.equal(registry.getMessage(""), undefined);
});

test("ProtoJSON with nested Any comes back as it was", () => {
  const listener = registry.getMessage("envoy.config.listener.v3.Listener");
  assert.ok(listener);
  const type = "type.googleapis.com/envoy.extensions.filters";
  const json: JsonValue = {
    name: "a",
    filterChains: [
      {
        filters: [
          {
            name: "b",
            typedConfig: {
              "@type": `${type}.network.http_connection_manager.v3.HttpConnectionManager`,
              statPrefix: "c",
              requestTimeout: "1.500s",
              httpFilters: [
                { name: "d", typedConfig: { "@type": `${type}.http.router.v3.Router` } },
              ],
            },
          },
        ],
      },
    ],
  };
  assert.deepEqual(toJson(listener, fromJson(listener, json, { registry }), { registry }), json);
});

test("every type that the registry names can be loaded", () => {
  const names = [...registry].map(({ typeName }) => typeName);
  assert.ok(names.length > 1000, `only ${names.length}`);
  assert.equal(new Set(names).size, names.length);
});

test("what Envoy 1.40 has gained since the package's files is known", () => {
  const route = registry.getMessage("envoy.config.route.v3.Route");
  assert.equal(route?.field["requestBodyBufferLimit"]?.number, 20);
  const policy = registry.getMessage("envoy.config.rbac.v3.Policy");
  assert.equal(
    policy?.field["celConfig"]?.message?.typeName,
    "envoy.config.core.v3.CelExpressionConfig",
  );
  const dns = "envoy.extensions.clusters.dns.v3.DnsCluster";
  assert.equal(registry.getMessage(dns)?.typeName, dns);
});

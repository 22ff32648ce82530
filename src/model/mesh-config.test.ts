import assert from "node:assert/strict";
import { test } from "node:test";
import { printProblem } from "#config/config-file-error.ts";
import { defaultMeshConfig, readMeshConfig, readMeshNetworks } from "./mesh-config.ts";

test("an empty text is Istio's defaults", () => {
  const { config, problems } = readMeshConfig("mesh.yaml", "");
  assert.deepEqual(problems, []);
  assert.deepEqual(config, { ...defaultMeshConfig });
});

test("what is written replaces the default, also by false and by an enum's zero", () => {
  const text =
    "enableTracing: false\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}\nconnectTimeout: 100ms\n";
  const { config } = readMeshConfig("mesh.yaml", text);
  assert.equal(config.enableTracing, false);
  assert.deepEqual(config.outboundTrafficPolicy, { mode: "REGISTRY_ONLY" });
  assert.equal(config.connectTimeout, "0.100s");
  assert.equal(config.rootNamespace, "istio-system");
});

test("a proxy's configuration and the providers are merged with the defaults", () => {
  const text = `defaultConfig: {concurrency: 4, proxyMetadata: {A: b}}
extensionProviders:
- name: envoy
  envoyFileAccessLog: {path: /tmp/log}
- name: authz
  envoyExtAuthzGrpc: {service: authz.shop.svc.cluster.local, port: 9000}
`;
  const { config, problems } = readMeshConfig("mesh.yaml", text);
  assert.deepEqual(problems, []);
  assert.equal(config.defaultConfig?.concurrency, 4);
  assert.equal(config.defaultConfig?.proxyAdminPort, 15000);
  assert.deepEqual(
    config.extensionProviders?.map(({ name }) => name),
    ["prometheus", "stackdriver", "envoy", "authz"],
  );
  assert.deepEqual(config.extensionProviders?.[2]?.envoyFileAccessLog, { path: "/tmp/log" });
});

test("Istio's ConfigMap: problems stand on the lines of the file", () => {
  const text = `apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |-
    trustDomain: shop
    rootNamespce: mesh
  meshNetworks: |
    networks:
      north: {endpoints: [{fromRegistry: north}], gateways: [{address: 1.2.3.4, port: 15443}]}
`;
  const { problems, config } = readMeshConfig("istio.yaml", text);
  assert.deepEqual(problems.map(printProblem), [
    'istio.yaml:7:1: rootNamespce: unknown field of istio.mesh.v1alpha1.MeshConfig; did you mean "rootNamespace"?',
  ]);
  assert.equal(config.trustDomain, "cluster.local");
  const networks = readMeshNetworks("istio.yaml", text);
  assert.deepEqual(Object.keys(networks.config.networks ?? {}), ["north"]);
});

test("garbage is problems, and the defaults", () => {
  for (const text of ["[", "5", "- a", "a: &a [*a]", "a: b\n---\nc: d"]) {
    const { config, problems } = readMeshConfig("mesh.yaml", text);
    assert.ok(problems.length > 0, text);
    assert.equal(config, defaultMeshConfig);
  }
});

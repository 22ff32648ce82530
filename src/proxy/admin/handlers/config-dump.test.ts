import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type RunningAdmin, startAdmin } from "../../../../testkit/admin.ts";

const admin: RunningAdmin = await startAdmin();
after(() => admin.close());
const { get } = admin;

test("/config_dump has Envoy's sections in Envoy's order, with proto names", async () => {
  const { configs } = JSON.parse((await get("/config_dump?include_eds")).body);
  assert.deepEqual(
    configs.map((config: Record<string, unknown>) => String(config["@type"]).split(".").at(-1)),
    [
      "BootstrapConfigDump",
      "ClustersConfigDump",
      "EndpointsConfigDump",
      "ListenersConfigDump",
      "ScopedRoutesConfigDump",
      "RoutesConfigDump",
      "SecretsConfigDump",
    ],
  );
  assert.deepEqual(configs[0].bootstrap.node, {
    id: "node-1",
    cluster: "cl-1",
    metadata: { camelCase: 1 },
  });
  assert.equal(configs[0].last_updated, "2025-12-31T23:58:58.500Z");
  assert.deepEqual(configs[1].static_clusters[0].cluster, {
    "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    name: "c00-main",
    type: "STATIC",
    connect_timeout: "1s",
  });
  assert.deepEqual(
    configs[2].static_endpoint_configs[0].endpoint_config.endpoints[0].lb_endpoints,
    [
      {
        endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: 43847 } } },
        health_status: "HEALTHY",
        load_balancing_weight: 1,
      },
    ],
  );
  assert.equal(configs[5].static_route_configs[0].route_config.name, "c00");
  assert.equal(configs[5].static_route_configs[0].route_config.virtual_hosts[0].name, "all");
});

test("/config_dump takes a resource, a mask and names", async () => {
  const dump = async (query: string): Promise<unknown> =>
    JSON.parse((await get(`/config_dump?${query}`)).body);
  const type = "type.googleapis.com/envoy.admin.v3.";
  const cluster = { "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", name: "other" };
  assert.deepEqual(await dump("resource=static_clusters&name_regex=^oth&mask=cluster.name"), {
    configs: [{ "@type": `${type}ClustersConfigDump.StaticCluster`, cluster }],
  });
  assert.deepEqual(await dump("mask=bootstrap.node.id"), {
    configs: [{ "@type": `${type}BootstrapConfigDump`, bootstrap: { node: { id: "node-1" } } }],
  });
  assert.deepEqual(await dump("resource=dynamic_listeners"), {});
  const { status } = await get("/config_dump?resource=static_clusters&mask=bogus");
  assert.equal(status, 400);
});

const tlsContext = {
  "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
  commonTlsContext: {
    tlsCertificates: [
      { privateKey: { inlineString: "KEY" } },
      { privateKey: { filename: "/k.pem" } },
    ],
  },
};

test("secrets are redacted in dumps", async () => {
  const secret = await startAdmin({
    staticResources: {
      clusters: [
        {
          name: "tls",
          transportSocket: {
            name: "tls",
            typedConfig: tlsContext,
          },
        },
      ],
    },
  });
  const { body } = await secret.get("/config_dump");
  secret.close();
  assert.ok(!body.includes("KEY"));
  assert.match(body, /"private_key": \{\s+"inline_string": "\[redacted\]"/);
  assert.match(body, /"filename": "\/k.pem"/);
});

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { echo } from "../../testkit/fake-upstream.ts";
import { RawClient } from "../../testkit/raw-client.ts";
import { extension } from "../parity/harness/config.ts";
import {
  bootstrap,
  cluster,
  connect,
  eventually,
  finish,
  GET,
  loopback,
  ok,
  start,
  temporaryFolder,
  upstream,
} from "./support.ts";

test("a bad configuration ends with 1, and every problem with its place", async (t) => {
  const file = join(temporaryFolder(t), "bad.yaml");
  const text = [
    "static_resources:",
    "  listeners:",
    "  - name: x",
    "    bogus: 1",
    "    address: {socket_address: {address: 127.0.0.1, port_value: 0}}",
    "  clusters:",
    "  - name: y",
    "    lb_policy: NO_SUCH_POLICY",
  ].join("\n");
  writeFileSync(file, text);
  // Of two -c the later counts.
  const { code, output } = await finish(t, {}, "-c", file);
  assert.equal(code, 1);
  assert.match(output, new RegExp(`${file}:4:\\d+: .*bogus`));
  assert.match(output, new RegExp(`${file}:8:\\d+: .*lb_policy`));
});

test("what only compiling finds has its place too", async (t) => {
  const route = { match: { prefix: "/" }, route: { cluster: "nowhere" } };
  const { code, output } = await finish(t, bootstrap([route, route]));
  assert.equal(code, 1);
  assert.match(output, /bootstrap\.json:\d+:\d+: .*nowhere/);
});

test("a refused cluster does not make routes to it and to the others unknown", async (t) => {
  const routes = ["twice", "good", "nowhere"].map((name) => ({
    match: { prefix: "/" },
    route: { cluster: name },
  }));
  const clusters = ["twice", "twice", "good"].map((name) => cluster(name, 1));
  const { code, output } = await finish(t, bootstrap(routes, { clusters }));
  assert.equal(code, 1);
  assert.match(output, /duplicate cluster name 'twice'/);
  assert.deepEqual(output.match(/unknown cluster '\w+'/g), ["unknown cluster 'nowhere'"]);
});

test("YAML that does not parse ends with 1 and its place", async (t) => {
  const file = join(temporaryFolder(t), "bad.yaml");
  writeFileSync(file, "a: [");
  const { code, output } = await finish(t, {}, "-c", file);
  assert.equal(code, 1);
  assert.match(output, /bad\.yaml:\d+:\d+: /);
});

test("a file that is not there ends with 1", async (t) => {
  const { code, output } = await finish(t, {}, "-c", "/no/such/file.yaml");
  assert.equal(code, 1);
  assert.match(output, /\/no\/such\/file\.yaml.*ENOENT/);
});

test("an unknown flag ends with 64", async (t) => {
  const { code, output } = await finish(t, {}, "--no-such-flag");
  assert.equal(code, 64);
  assert.match(output, /unknown option '--no-such-flag'/);
});

for (const workers of ["1", "2"]) {
  for (const what of ["listener", "admin"]) {
    test(`a port in use by another: ${what}, ${workers} workers`, async (t) => {
      const other = createServer().listen(0, "127.0.0.1");
      await once(other, "listening");
      t.after(() => other.close());
      const address = other.address();
      assert.ok(typeof address === "object" && address !== null);
      const taken = { socket_address: { address: "127.0.0.1", port_value: address.port } };
      const config =
        what === "admin"
          ? { admin: { address: taken } }
          : {
              admin: { address: loopback },
              static_resources: {
                listeners: [{ ...tcpListener, address: taken }],
                clusters: [cluster("main", 1)],
              },
            };
      const { code, output } = await finish(t, config, "--concurrency", workers);
      assert.equal(code, 1, output);
      assert.match(output, new RegExp(`${what}.* cannot listen on 127.0.0.1:${address.port}: `));
      assert.match(output, /EADDRINUSE/);
    });
  }
}

const tcpListener = {
  name: "one",
  address: loopback,
  filter_chains: [
    {
      filters: [
        extension(
          "envoy.filters.network.tcp_proxy",
          "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
          { stat_prefix: "one", cluster: "main" },
        ),
      ],
    },
  ],
};

test("--mode validate says OK, or refuses", async (t) => {
  const good = await finish(t, bootstrap([ok]), "--mode", "validate");
  assert.equal(good.code, 0, good.output);
  assert.match(good.output, /bootstrap\.json' OK\n/);
  const route = { match: { prefix: "/" }, route: { cluster: "nowhere" } };
  const bad = await finish(t, bootstrap([route]), "--mode", "validate", "--concurrency", "2");
  assert.equal(bad.code, 1);
  assert.match(bad.output, /nowhere/);
});

test("a pattern of stats that is none is refused at its place, whatever the mode", async (t) => {
  const bad = { ...bootstrap([ok]), stats_config: { stats_tags: [{ tag_name: "a", regex: "(" }] } };
  for (const mode of ["serve", "validate"]) {
    const { code, output } = await finish(t, bad, "--mode", mode);
    assert.equal(code, 1);
    assert.match(output, /json:\d+:\d+: stats_config\.stats_tags\[0\]\.regex: error parsing/);
  }
});

test("--mode init_only ends with 0", async (t) => {
  const { code, output } = await finish(t, bootstrap([ok]), "--mode", "init_only");
  assert.equal(code, 0, output);
});

test("--config-yaml is merged over the file", async (t) => {
  const server = await upstream(t, echo());
  const overlay = JSON.stringify({
    node: { id: "overlaid" },
    static_resources: {
      listeners: [{ ...tcpListener, name: "second" }],
      clusters: [cluster("main", server.port)],
    },
  });
  const proxy = await start(
    t,
    { ...bootstrap([ok]), node: { id: "file", cluster: "kept" } },
    "--config-yaml",
    overlay,
  );
  assert.equal((await (await connect(t, proxy)).exchange(GET)).status, 200);
  const client = await connect(t, proxy, "second");
  await client.write("hello");
  await client.readThrough("hello");
  const { node } = JSON.parse((await proxy.admin("/server_info")).body);
  assert.deepEqual([node.id, node.cluster], ["overlaid", "kept"]);
});

test("what is not HTTP stops neither listener nor admin port", async (t) => {
  const proxy = await start(t, bootstrap([ok]));
  const admin = await eventually("the admin port", async () => {
    const { body } = await proxy.admin("/server_info");
    return JSON.parse(body).command_line_options.admin_address_path as string | undefined;
  });
  const [host = "", port = ""] = readFileSync(admin, "utf8").trim().split(":");
  const garbage = [
    "\u0000\u00ff\u0016\u0003\u0001\r\n\r\n",
    "GET\r\n\r\n",
    `GET /${"a".repeat(200_000)}`,
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  ];
  for (const bytes of garbage) {
    for (const target of [
      proxy.listener("main") as { host: string; port: number },
      { host, port: Number(port) },
    ]) {
      const client = await RawClient.connect(target);
      await client.write(bytes);
      client.end();
      await client.ended();
      client.close();
    }
  }
  assert.equal((await proxy.admin("/ready")).status, 200);
  assert.equal((await (await connect(t, proxy)).exchange(GET)).status, 200);
});

test("--stats-tag labels every stat; the names stay", async (t) => {
  const proxy = await start(t, bootstrap([ok]), "--stats-tag", "pod:a-b");
  const { body } = await proxy.admin("/stats/prometheus?filter=server.live");
  assert.match(body, /^envoy_server_live\{pod="a-b"\} 1$/m);
});

test("proxies with one base id run side by side", async (t) => {
  const arguments_ = ["--base-id", "7", "--concurrency", "1"];
  const proxies = [
    await start(t, bootstrap([ok]), ...arguments_),
    await start(t, bootstrap([ok]), ...arguments_),
  ];
  for (const proxy of proxies)
    assert.equal((await (await connect(t, proxy)).exchange(GET)).status, 200);
});

test("fields of clusters that Heddle does not have are refused by name", async (t) => {
  const fields = {
    wait_for_warm_on_init: false,
    track_timeout_budgets: true,
    track_cluster_stats: { timeout_budgets: true },
    connection_pool_per_downstream_connection: true,
    upstream_connection_options: { set_local_interface_name_on_upstream_connections: true },
    common_http_protocol_options: { max_headers_count: 7 },
  };
  const main = cluster("main", 1, fields);
  const { code, output } = await finish(t, bootstrap([ok], { clusters: [main] }));
  assert.equal(code, 1);
  for (const name of [
    "wait_for_warm_on_init",
    "track_timeout_budgets",
    "track_cluster_stats",
    "connection_pool_per_downstream_connection",
    "upstream_connection_options.set_local_interface_name_on_upstream_connections",
  ])
    assert.match(output, new RegExp(`clusters\\[0\\]\\.${name.replaceAll(".", "\\.")}: `));
  assert.doesNotMatch(output, /max_headers_count/);
});

test("max_stream_duration of a cluster is refused, which a connection manager has", async (t) => {
  const main = cluster("main", 1, { common_http_protocol_options: { max_stream_duration: "5s" } });
  const { code, output } = await finish(t, bootstrap([ok], { clusters: [main] }));
  assert.equal(code, 1);
  assert.match(output, /common_http_protocol_options\.max_stream_duration: .*not supported/);
});

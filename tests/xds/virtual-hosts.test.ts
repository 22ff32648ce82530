/** VHDS: virtual hosts of a route configuration that a control plane sends by themselves. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { VirtualHostJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import {
  clusterType,
  listenerType,
  type ResourceType,
  routeType,
  virtualHostType,
} from "#xds/resource-type.ts";
import { FixedSource } from "../../testkit/xds/fixed-source.ts";
import { assertDocumented } from "../parity/harness/differences.ts";
import { jsonPath } from "../parity/harness/placeholders.ts";
import type { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { type Side, selectedSides } from "../parity/harness/sides.ts";
import { ask, configSource, counted, startEnvoy, stat, type Transport } from "./envoy-client.ts";
import { httpListener } from "./resources.ts";
import { startXds } from "./xds-server.ts";

function host(name: string, domain: string, body: string): VirtualHostJson {
  const directResponse = { status: 200, body: { inlineString: body } };
  return { name, domains: [domain], routes: [{ match: { prefix: "/" }, directResponse }] };
}

function routes(transport: Transport, ...own: readonly VirtualHostJson[]): RouteConfigurationJson {
  return { name: "main", virtualHosts: [...own], vhds: { configSource: configSource(transport) } };
}

interface Setup {
  readonly side: Side;
  readonly transport: Transport;
  readonly hosts?: readonly VirtualHostJson[];
  readonly workers?: number;
}

async function start(t: TestContext, { side, transport, hosts, workers = 1 }: Setup) {
  const source = new FixedSource(
    new Map<ResourceType, readonly object[]>([
      [clusterType, []],
      [listenerType, [httpListener("in", "main", configSource(transport))]],
      [routeType, [routes(transport, host("own", "own.test", "own"))]],
      ...(hosts === undefined ? [] : [[virtualHostType, hosts] as const]),
    ]),
  );
  const { port } = await startXds(t, source);
  const args = ["--concurrency", String(side.name === "heddle" ? workers : 1)];
  const proxy = await startEnvoy(t, { side, transport, port, arguments: args });
  return { source, proxy };
}

async function answerOf(proxy: ProxyProcess, name: string): Promise<string> {
  const { status, body } = await ask(proxy, "in", { host: name });
  return `${status} ${body}`.trim();
}

async function becomes(proxy: ProxyProcess, name: string, answer: string): Promise<void> {
  while ((await answerOf(proxy, name)) !== answer) assert.ok(proxy.running, proxy.output);
}

const hostsAre = (...hosts: readonly object[]) => new Map([[virtualHostType, hosts]]);

async function dumped(proxy: ProxyProcess): Promise<readonly unknown[]> {
  const { body } = await proxy.admin("/config_dump?resource=dynamic_route_configs");
  const hosts = jsonPath(JSON.parse(body), "configs", 0, "route_config", "virtual_hosts");
  return Array.isArray(hosts) ? hosts.map((one) => jsonPath(one, "name")).sort() : [];
}

const transports: readonly Transport[] = ["ads-delta", "streams-delta"];
const runs = selectedSides().flatMap((side) =>
  transports.map((transport) => ({ side, transport })),
);

for (const { side, transport } of runs)
  test(`${side.name}, ${transport}: virtual hosts come, change and go`, async (t) => {
    const hosts = [host("main/a", "a.test", "a"), host("main/b", "b.test", "b")];
    const { source, proxy } = await start(t, { side, transport, hosts, workers: 2 });
    assert.equal(await answerOf(proxy, "own.test"), "200 own");
    assert.equal(await answerOf(proxy, "a.test"), "200 a");
    assert.equal(await answerOf(proxy, "b.test"), "200 b");
    assert.equal(await answerOf(proxy, "c.test"), "404");
    assert.deepEqual(await dumped(proxy), ["main/a", "main/b", "own"]);
    const stats = "http.in.rds.vhds.main.";
    assert.equal(await stat(proxy, `${stats}config_reload`), 1);

    source.set(
      hostsAre(
        host("main/b", "b.test", "other"),
        host("main/c", "c.test", "c"),
        host("others/d", "d.test", "d"),
      ),
    );
    await becomes(proxy, "c.test", "200 c");
    assert.equal(await answerOf(proxy, "a.test"), "404");
    assert.equal(await answerOf(proxy, "b.test"), "200 other");
    assert.equal(await answerOf(proxy, "d.test"), "404");
    assert.equal(await answerOf(proxy, "own.test"), "200 own");
    await counted(proxy, `${stats}config_reload`, 2);

    // The routes around them change: they stay.
    source.set(new Map([[routeType, [routes(transport, host("own", "own.test", "changed"))]]]));
    await becomes(proxy, "own.test", "200 changed");
    assert.equal(await answerOf(proxy, "c.test"), "200 c");

    const { length } = source.answers;
    source.set(hostsAre(host("main/b", "b.test", "b"), host("main/e", "own.test", "twice")));
    const refused = () => source.answers.slice(length).find(({ answer }) => answer.refused);
    await source.until(() => refused() !== undefined);
    assert.match(
      refused()?.answer.refused?.detail ?? "",
      /Only unique values for domains are permitted\. Duplicate entry of domain own\.test/,
    );
    assert.equal(await stat(proxy, `${stats}update_rejected`), 1);
    assert.equal(await answerOf(proxy, "b.test"), "200 other");

    source.set(hostsAre());
    await becomes(proxy, "c.test", "404");
    assert.equal(await answerOf(proxy, "own.test"), "200 changed");
  });

for (const side of selectedSides()) {
  test(`${side.name}: virtual hosts come by delta only`, async (t) => {
    const hosts = [host("main/a", "a.test", "a")];
    const { source, proxy } = await start(t, { side, transport: "ads-delta", hosts });
    assert.equal(await answerOf(proxy, "own.test"), "200 own");
    source.answers.length = 0;
    source.set(new Map([[routeType, [routes("streams-sotw", host("own", "own.test", "sotw"))]]]));
    const refused = () => source.answers.find(({ answer }) => answer.refused);
    await source.until(() => refused() !== undefined);
    assert.match(
      refused()?.answer.refused?.detail ?? "",
      /vhds: only 'DELTA_GRPC' or 'ADS' \(which uses Delta xDS\) is supported as a config source\./,
    );
  });

  test(`${side.name}: virtual hosts over ADS need its delta form`, async (t) => {
    const { source, proxy } = await start(t, { side, transport: "ads-sotw" });
    assert.equal(await answerOf(proxy, "own.test"), "404");
    const refused = () => source.answers.find(({ answer }) => answer.refused);
    await source.until(() => refused() !== undefined);
    assert.match(
      refused()?.answer.refused?.detail ?? "",
      /vhds: ADS must use DELTA_GRPC api_type when used as VHDS config source\./,
    );
  });
}

for (const side of selectedSides().filter(({ name }) => name === "heddle"))
  test(`${side.name}: virtual hosts on demand are refused by name`, async (t) => {
    assertDocumented("Virtual hosts are not looked up on demand");
    const { source, proxy } = await start(t, {
      side,
      transport: "ads-delta",
      hosts: [host("main/a", "a.test", "a")],
    });
    assert.equal(await answerOf(proxy, "a.test"), "200 a");
    const filter = {
      name: "on_demand",
      typedConfig: {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.on_demand.v3.OnDemand",
      },
    };
    const text = JSON.stringify(httpListener("in", "main"));
    const changed = text.replace('"httpFilters":[', `"httpFilters":[${JSON.stringify(filter)},`);
    source.answers.length = 0;
    source.set(new Map([[listenerType, [JSON.parse(changed)]]]));
    const refused = () => source.answers.find(({ answer }) => answer.refused);
    await source.until(() => refused() !== undefined);
    assert.match(refused()?.answer.refused?.detail ?? "", /vhds: virtual hosts on demand/);
    assert.equal(await answerOf(proxy, "a.test"), "200 a");
  });

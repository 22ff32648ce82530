/** SRDS: which routes a request goes by depends on its headers. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import type { ScopedRouteConfigurationJson } from "#gen/envoy/config/route/v3/scoped_route_pb.js";
import type { ScopedRoutesJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import {
  clusterType,
  listenerType,
  type ResourceType,
  routeType,
  scopedRouteType,
} from "#xds/resource-type.ts";
import { FixedSource } from "../../testkit/xds/fixed-source.ts";
import { jsonPath } from "../parity/harness/placeholders.ts";
import type { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { type Side, selectedSides } from "../parity/harness/sides.ts";
import { ask, configSource, startEnvoy, stat, type Transport } from "./envoy-client.ts";
import { httpListener, routeAnswering } from "./resources.ts";
import { startXds } from "./xds-server.ts";

const byTenant: NonNullable<ScopedRoutesJson["scopeKeyBuilder"]> = {
  fragments: [{ headerValueExtractor: { name: "X-Tenant", index: 0 } }],
};

function scope(name: string, key: string, routes: string): ScopedRouteConfigurationJson {
  return {
    name,
    routeConfigurationName: routes,
    key: { fragments: key.split(" ").map((stringKey) => ({ stringKey })) },
  };
}

function listenerBy(scopedRoutes: ScopedRoutesJson): object {
  const text = JSON.stringify(httpListener("in", "main"));
  return JSON.parse(
    text.replace(/"rds":\{.*?\}\}/, `"scopedRoutes":${JSON.stringify(scopedRoutes)}`),
  );
}

function scopedBy(transport: Transport, scopeKeyBuilder = byTenant): ScopedRoutesJson {
  const from = configSource(transport);
  const scopedRds = { scopedRdsConfigSource: from };
  return { name: "tenants", scopeKeyBuilder, rdsConfigSource: from, scopedRds };
}

interface Setup {
  readonly side: Side;
  readonly transport?: Transport;
  readonly scopedRoutes: ScopedRoutesJson;
  readonly scopes?: readonly ScopedRouteConfigurationJson[];
  readonly routes?: readonly RouteConfigurationJson[];
  readonly workers?: number;
}

async function start(t: TestContext, setup: Setup) {
  const { side, transport = "ads-sotw", scopedRoutes, scopes, routes = [], workers = 1 } = setup;
  const source = new FixedSource(
    new Map<ResourceType, readonly object[]>([
      [clusterType, []],
      [listenerType, [listenerBy(scopedRoutes)]],
      [routeType, routes],
      ...(scopes === undefined ? [] : [[scopedRouteType, scopes] as const]),
    ]),
  );
  const { port } = await startXds(t, source);
  const args = ["--concurrency", String(side.name === "heddle" ? workers : 1)];
  const proxy = await startEnvoy(t, { side, transport, port, arguments: args });
  return { source, proxy };
}

async function answerOf(proxy: ProxyProcess, headers: Record<string, string>): Promise<string> {
  const { status, body } = await ask(proxy, "in", headers);
  return `${status} ${body}`.trim();
}

async function becomes(
  proxy: ProxyProcess,
  headers: Record<string, string>,
  answer: string,
): Promise<void> {
  while ((await answerOf(proxy, headers)) !== answer) assert.ok(proxy.running, proxy.output);
}

const a = { "x-tenant": "a" };
const b = { "x-tenant": "b" };
const c = { "x-tenant": "c" };
const scopesAre = (...scopes: readonly object[]) => new Map([[scopedRouteType, scopes]]);

const transports: readonly Transport[] = ["ads-sotw", "ads-delta", "streams-sotw", "streams-delta"];
const runs = selectedSides().flatMap((side) =>
  transports.map((transport) => ({ side, transport })),
);

for (const { side, transport } of runs)
  test(`${side.name}, ${transport}: scopes come, change and go`, async (t) => {
    const { source, proxy } = await start(t, {
      side,
      transport,
      scopedRoutes: scopedBy(transport),
      scopes: [scope("one", "a", "first"), scope("two", "b", "second")],
      routes: ["first", "second", "third"].map((name) => routeAnswering(name, name)),
      workers: 2,
    });
    assert.equal(await answerOf(proxy, a), "200 first");
    assert.equal(await answerOf(proxy, b), "200 second");
    assert.equal(await answerOf(proxy, c), "404");
    assert.equal(await answerOf(proxy, {}), "404");
    const stats = "http.in.scoped_rds.tenants.";
    assert.equal(await stat(proxy, `${stats}config_reload`), 1);
    assert.equal(await stat(proxy, `${stats}all_scopes`), 2);
    assert.equal(await stat(proxy, `${stats}active_scopes`), 2);
    const { body } = await proxy.admin("/config_dump?resource=dynamic_scoped_route_configs");
    const dump = jsonPath(JSON.parse(body), "configs", 0);
    assert.equal(jsonPath(dump, "name"), "tenants");
    const dumped = [0, 1].map((index) => jsonPath(dump, "scoped_route_configs", index, "name"));
    assert.deepEqual(dumped.sort(), ["one", "two"]);

    // Other routes for a scope, another key for the other, one more.
    source.set(
      scopesAre(
        scope("one", "a", "third"),
        scope("two", "c", "second"),
        scope("three", "b", "third"),
      ),
    );
    await becomes(proxy, a, "200 third");
    await becomes(proxy, b, "200 third");
    await becomes(proxy, c, "200 second");

    const { length } = source.answers;
    source.set(scopesAre(scope("one", "a", "third"), scope("two", "a", "second")));
    const refused = () => source.answers.slice(length).find(({ answer }) => answer.refused);
    await source.until(() => refused() !== undefined);
    assert.match(
      refused()?.answer.refused?.detail ?? "",
      /Error adding\/updating scoped route\(s\): scope key conflict found, first scope is '\w+', second scope is '\w+'/,
    );
    assert.equal(await stat(proxy, `${stats}update_rejected`), 1);
    assert.equal(await answerOf(proxy, a), "200 third");

    source.set(
      new Map<ResourceType, readonly object[]>([
        [routeType, [routeAnswering("third", "changed")]],
        [scopedRouteType, [scope("three", "b", "third")]],
      ]),
    );
    await becomes(proxy, a, "404");
    await becomes(proxy, b, "200 changed");
    assert.equal(await answerOf(proxy, c), "404");
    assert.equal(await stat(proxy, `${stats}all_scopes`), 1);
  });

for (const side of selectedSides()) {
  test(`${side.name}: a scope's key is made of headers' values and elements`, async (t) => {
    const fragments = [
      { headerValueExtractor: { name: "x-path", elementSeparator: ",", index: 1 } },
      {
        headerValueExtractor: {
          name: "x-pairs",
          elementSeparator: ";",
          element: { separator: "=", key: "t" },
        },
      },
    ];
    const { proxy } = await start(t, {
      side,
      scopedRoutes: scopedBy("ads-sotw", { fragments }),
      scopes: [scope("one", "a b", "first"), scope("two", "a b=c", "second")],
      routes: [routeAnswering("first", "first"), routeAnswering("second", "second")],
    });
    const asked = async (path: string, pairs: string): Promise<string> =>
      answerOf(proxy, { "x-path": path, "x-pairs": pairs });
    assert.equal(await asked("x,a,y", "s=1;t=b"), "200 first");
    assert.equal(await asked("x,a", "t=b=c"), "200 second");
    assert.equal(await asked("x,a", "t=b;t=c"), "200 first");
    assert.equal(await asked("x, a", "t=b"), "404");
    assert.equal(await asked("a", "t=b"), "404");
    assert.equal(await asked("x,a", "s=b"), "404");
    assert.equal(await asked("x,a", "t"), "404");
  });

  test(`${side.name}: scopes stand in the listener with their routes`, async (t) => {
    const inline = (name: string, key: string): ScopedRouteConfigurationJson => ({
      name,
      routeConfiguration: routeAnswering(name, name),
      key: { fragments: [{ stringKey: key }] },
    });
    const scopedRoutes = (list: readonly ScopedRouteConfigurationJson[]): ScopedRoutesJson => ({
      name: "tenants",
      scopeKeyBuilder: byTenant,
      scopedRouteConfigurationsList: { scopedRouteConfigurations: [...list] },
    });
    const { source, proxy } = await start(t, {
      side,
      scopedRoutes: scopedRoutes([inline("one", "a"), inline("two", "b")]),
    });
    assert.equal(await answerOf(proxy, a), "200 one");
    assert.equal(await answerOf(proxy, b), "200 two");
    assert.equal(await answerOf(proxy, c), "404");
    const { body } = await proxy.admin("/config_dump?resource=inline_scoped_route_configs");
    assert.equal(
      jsonPath(JSON.parse(body), "configs", 0, "scoped_route_configs", 1, "name"),
      "two",
    );

    source.answers.length = 0;
    source.set(new Map([[listenerType, [listenerBy(scopedRoutes([scope("one", "a", "first")]))]]]));
    const refused = () => source.answers.find(({ answer }) => answer.refused);
    await source.until(() => refused() !== undefined);
    assert.match(
      refused()?.answer.refused?.detail ?? "",
      /Fetching routes via RDS \(route_configuration_name\) is not supported with inline scoped routes\./,
    );
    assert.equal(await answerOf(proxy, a), "200 one");
  });

  test(`${side.name}: nothing is served by scopes that do not come in time`, async (t) => {
    const from = { ...configSource("ads-sotw"), initialFetchTimeout: "0.2s" };
    const scopedRoutes = { ...scopedBy("ads-sotw"), scopedRds: { scopedRdsConfigSource: from } };
    const { source, proxy } = await start(t, {
      side,
      scopedRoutes,
      routes: [routeAnswering("first", "first")],
    });
    assert.equal(await answerOf(proxy, a), "404");
    source.set(scopesAre(scope("one", "a", "first")));
    await becomes(proxy, a, "200 first");
  });
}

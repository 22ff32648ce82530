/** ECDS: HTTP filters whose configuration a control plane sends by itself. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { ExtensionConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import {
  clusterType,
  extensionType,
  listenerType,
  type ResourceType,
  routeType,
} from "#xds/resource-type.ts";
import { FixedSource } from "../../testkit/xds/fixed-source.ts";
import { jsonPath } from "../parity/harness/placeholders.ts";
import type { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { type Side, selectedSides } from "../parity/harness/sides.ts";
import { ask, configSource, counted, startEnvoy, stat, type Transport } from "./envoy-client.ts";
import { httpListener, routeAnswering } from "./resources.ts";
import { startXds } from "./xds-server.ts";

const url = (message: string): string => `type.googleapis.com/envoy.extensions.filters.${message}`;
const mutationUrl = url("http.header_mutation.v3.HeaderMutation");
const bufferUrl = url("http.buffer.v3.Buffer");

/** A filter that signs answers. */
function signing(value: string, key = "x-by") {
  const append = { header: { key, value }, appendAction: "OVERWRITE_IF_EXISTS_OR_ADD" };
  return { "@type": mutationUrl, mutations: { responseMutations: [{ append }] } };
}

const extension = (typedConfig: object) =>
  new Map([[extensionType, [{ name: "mine", typedConfig }]]]);

function discovering(
  discovery: ExtensionConfigSourceJson,
  transport: Transport,
  before?: object,
): ListenerJson {
  const from = configSource(transport);
  const typeUrls = [mutationUrl, bufferUrl];
  const configDiscovery = { configSource: from, typeUrls, ...discovery };
  const items = [{ name: "mine", configDiscovery }];
  const list = before === undefined ? items : [{ name: "before", typedConfig: before }, ...items];
  const text = JSON.stringify(httpListener("in", "main", from));
  return JSON.parse(
    text.replace(
      '"httpFilters":[',
      `"httpFilters":[${list.map((one) => JSON.stringify(one)).join()},`,
    ),
  );
}

interface Setup {
  readonly side: Side;
  readonly transport: Transport;
  readonly discovery?: ExtensionConfigSourceJson;
  readonly extensions?: readonly object[];
  readonly workers?: number;
  /** A filter before it in the chain. */
  readonly before?: object;
}

const logging = signing("%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%.", "x-why");

async function start(t: TestContext, setup: Setup) {
  const { side, transport, discovery = {}, extensions, workers = 1, before } = setup;
  const source = new FixedSource(
    new Map<ResourceType, readonly object[]>([
      [clusterType, []],
      [listenerType, [discovering(discovery, transport, before)]],
      [routeType, [routeAnswering("main", "direct")]],
      ...(extensions === undefined ? [] : [[extensionType, extensions] as const]),
    ]),
  );
  const { port } = await startXds(t, source);
  const args = ["--concurrency", String(side.name === "heddle" ? workers : 1)];
  const proxy = await startEnvoy(t, { side, transport, port, arguments: args });
  return { source, proxy };
}

async function answerOf(proxy: ProxyProcess): Promise<string> {
  const { status, headers } = await ask(proxy, "in");
  return `${status} ${headers["x-by"] ?? "-"}`;
}

async function becomes(proxy: ProxyProcess, answer: string): Promise<void> {
  while ((await answerOf(proxy)) !== answer) assert.ok(proxy.running, proxy.output);
}

const stats = "extension_config_discovery.http_filter.mine.";

async function counts(proxy: ProxyProcess): Promise<Readonly<Record<string, number>>> {
  const found: Record<string, number> = {};
  for (const name of ["config_reload", "config_fail", "config_conflict", "update_rejected"])
    found[name] = await stat(proxy, `${stats}${name}`);
  return found;
}

/** What the proxy says to the next bad configuration. */
async function refusalOf(source: FixedSource, typedConfig: object): Promise<string> {
  const { length } = source.answers;
  source.set(extension(typedConfig));
  const refused = () => source.answers.slice(length).find(({ answer }) => answer.refused);
  await source.until(() => refused() !== undefined);
  return refused()?.answer.refused?.detail ?? "";
}

async function dumped(proxy: ProxyProcess): Promise<unknown> {
  const { body } = await proxy.admin("/config_dump?resource=ecds_filters");
  return jsonPath(JSON.parse(body), "configs", 0, "ecds_filter", "typed_config", "@type");
}

const transports: readonly Transport[] = ["ads-sotw", "ads-delta", "streams-sotw", "streams-delta"];
const runs = selectedSides().flatMap((side) =>
  transports.map((transport) => ({ side, transport })),
);

for (const { side, transport } of runs) {
  test(`${side.name}, ${transport}: a filter's configuration comes, changes, is refused`, async (t) => {
    const extensions = [{ name: "mine", typedConfig: signing("one") }];
    const { source, proxy } = await start(t, { side, transport, extensions, workers: 2 });
    assert.equal(await answerOf(proxy), "200 one");
    assert.equal(await dumped(proxy), mutationUrl);
    const connections = await stat(proxy, "listener_manager.listener_added");
    source.set(extension(signing("two")));
    await becomes(proxy, "200 two");

    const cors = { "@type": url("http.cors.v3.Cors") };
    assert.match(
      await refusalOf(source, cors),
      /filter config has type URL envoy\S+cors.v3.Cors but expect/,
    );
    assert.match(
      await refusalOf(source, { "@type": bufferUrl }),
      /max_?request_?bytes: value is requ/i,
    );
    assert.equal(await answerOf(proxy), "200 two");
    source.set(extension({ "@type": bufferUrl, maxRequestBytes: 10 }));
    await becomes(proxy, "200 -");
    await counted(proxy, `${stats}config_reload`, 3);
    assert.deepEqual(await counts(proxy), {
      config_reload: 3,
      config_fail: 2,
      config_conflict: 0,
      update_rejected: 2,
    });
    // No listener was made anew for it.
    assert.equal(await stat(proxy, "listener_manager.listener_added"), connections);
    assert.equal(await stat(proxy, "listener_manager.listener_modified"), 0);

    // Known, and not for this listener.
    const typeUrls = [mutationUrl];
    const changed = discovering({ typeUrls, defaultConfig: signing("default") }, transport);
    source.set(new Map([[listenerType, [changed]]]));
    await becomes(proxy, "200 default");
    assert.equal((await counts(proxy))["config_conflict"], 1);
    source.set(extension(signing("three")));
    await becomes(proxy, "200 three");
  });
}

for (const side of selectedSides()) {
  test(`${side.name}: without a configuration in time a filter's default counts, or the answer is 500`, async (t) => {
    const soon: ExtensionConfigSourceJson = {
      configSource: { ...configSource("ads-sotw"), initialFetchTimeout: "0.2s" },
    };
    const transport: Transport = "ads-sotw";
    const missing = await start(t, { side, transport, discovery: soon, before: logging });
    assert.equal(await answerOf(missing.proxy), "500 -");
    assert.equal((await ask(missing.proxy, "in")).headers["x-why"], "NFCF .");
    assert.deepEqual(await counts(missing.proxy), {
      config_reload: 0,
      config_fail: 1,
      config_conflict: 0,
      update_rejected: 0,
    });
    assert.equal(await stat(missing.proxy, `${stats}init_fetch_timeout`), 1);
    missing.source.set(extension(signing("late")));
    await becomes(missing.proxy, "200 late");

    const discovery = { ...soon, defaultConfig: signing("default") };
    const withDefault = await start(t, { side, transport, discovery });
    assert.equal(await answerOf(withDefault.proxy), "200 default");

    const atOnce = {
      configSource: { ...configSource("ads-sotw"), initialFetchTimeout: "0s" },
      defaultConfig: signing("default"),
      applyDefaultConfigWithoutWarming: true,
    };
    const cold = await start(t, { side, transport, discovery: atOnce });
    assert.equal(await answerOf(cold.proxy), "200 default");
    cold.source.set(extension(signing("late")));
    await becomes(cold.proxy, "200 late");
  });

  test(`${side.name}: a configuration that is removed leaves the default, or none`, async (t) => {
    const transport: Transport = "ads-delta";
    const extensions = [{ name: "mine", typedConfig: signing("one") }];
    const bare = await start(t, { side, transport, extensions });
    assert.equal(await answerOf(bare.proxy), "200 one");
    bare.source.set(new Map([[extensionType, []]]));
    await becomes(bare.proxy, "500 -");
    bare.source.set(extension(signing("two")));
    await becomes(bare.proxy, "200 two");

    const discovery = { defaultConfig: signing("default") };
    const safe = await start(t, { side, transport, extensions, discovery });
    assert.equal(await answerOf(safe.proxy), "200 one");
    safe.source.set(new Map([[extensionType, []]]));
    await becomes(safe.proxy, "200 default");
  });

  test(`${side.name}: a listener with a discovery that cannot be is refused`, async (t) => {
    const transport: Transport = "ads-sotw";
    const { source } = await start(t, {
      side,
      transport,
      extensions: [{ name: "mine", typedConfig: signing("one") }],
    });
    const refused = async (discovery: ExtensionConfigSourceJson): Promise<string> => {
      source.answers.length = 0;
      source.set(new Map([[listenerType, [discovering(discovery, transport)]]]));
      const found = () => source.answers.find(({ answer }) => answer.refused);
      await source.until(() => found() !== undefined);
      return found()?.answer.refused?.detail ?? "";
    };
    assert.match(
      await refused({ applyDefaultConfigWithoutWarming: true }),
      /Error: filter config mine applied without warming but has no default config\./,
    );
    assert.match(
      await refused({ typeUrls: ["type.googleapis.com/google.protobuf.Struct"] }),
      /Error: no factory found for a required type URL google\.protobuf\.Struct\./,
    );
    const router = { "@type": url("http.router.v3.Router") };
    assert.match(
      await refused({ defaultConfig: router }),
      /filter config has type URL \S+Router but expect/,
    );
    assert.match(
      await refused({ typeUrls: [router["@type"]], defaultConfig: router }),
      /terminal filter named mine of type envoy.filters.http.router must be the last filter in a http/,
    );
  });
}

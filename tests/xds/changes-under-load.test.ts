/** Configuration changes while clients use a proxy: nobody notices, and what did not change keeps its connections. */
import assert from "node:assert/strict";
import { Agent, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import {
  clusterType,
  endpointType,
  listenerType,
  type ResourceType,
  routeType,
} from "#xds/resource-type.ts";
import { FixedSource } from "../../testkit/xds/fixed-source.ts";
import type { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { selectedSides } from "../parity/harness/sides.ts";
import { startEnvoy, stat } from "./envoy-client.ts";
import { assignment, edsCluster, httpListener, routeAnswering, routeTo } from "./resources.ts";
import { startXds } from "./xds-server.ts";

async function startUpstream(t: TestContext, answer: string): Promise<number> {
  const server = createServer((_request, response) => response.end(answer));
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  // Proof: it listens on TCP.
  return (server.address() as AddressInfo).port;
}

/** Clients that ask again and again over kept connections, and what they were told. */
class Load {
  readonly answers: Map<string, number> = new Map();
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 });
  readonly #clients: Promise<void>[];
  #stopped = false;

  constructor(proxy: ProxyProcess, listener: string) {
    this.#clients = [1, 2, 3, 4].map(() => this.#ask(proxy, listener));
  }

  async #ask(proxy: ProxyProcess, listener: string): Promise<void> {
    while (!this.#stopped) {
      const answer = await this.#get(proxy, listener);
      this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
    }
  }

  #get(proxy: ProxyProcess, listener: string): Promise<string> {
    const address = proxy.listener(listener);
    const target = "path" in address ? { socketPath: address.path } : address;
    return new Promise((resolve) => {
      request({ ...target, agent: this.#agent }, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (piece: string) => {
          body += piece;
        });
        response.on("end", () => resolve(`${response.statusCode} ${body}`));
      })
        .on("error", (error) => resolve(error.message))
        .end();
    });
  }

  /** So many answers like this one, from now on. */
  async until(answer: string, count: number): Promise<void> {
    const enough = (this.answers.get(answer) ?? 0) + count;
    while ((this.answers.get(answer) ?? 0) < enough)
      await new Promise((resolve) => setImmediate(resolve));
  }

  async end(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
    this.#agent.destroy();
  }
}

function withPrefix(listener: ListenerJson, statPrefix: string): ListenerJson {
  return JSON.parse(
    JSON.stringify(listener).replace('"statPrefix":"in"', `"statPrefix":"${statPrefix}"`),
  );
}

const more = (items: readonly object[]): ReadonlyMap<ResourceType, readonly object[]> =>
  new Map([[clusterType, items]]);

for (const side of selectedSides())
  for (const concurrency of side.name === "heddle" ? [1, 2] : [1])
    test(`${side.name} with ${concurrency}: clusters, endpoints, listeners and routes change under load`, async (t) => {
      const [one, two] = [await startUpstream(t, "one"), await startUpstream(t, "two")];
      const web = edsCluster("web");
      const listener = httpListener("in", "main");
      const source = new FixedSource(
        new Map<ResourceType, readonly object[]>([
          [clusterType, [web]],
          [endpointType, [assignment("web", [one])]],
          [listenerType, [listener]],
          [routeType, [routeTo("main", "web")]],
        ]),
      );
      const { port } = await startXds(t, source);
      const proxy = await startEnvoy(t, {
        side,
        transport: "ads-delta",
        port,
        arguments: ["--concurrency", String(concurrency)],
      });
      const load = new Load(proxy, "in");
      await load.until("200 one", 50);

      // The cluster is another one, with the endpoints it had.
      source.set(more([{ ...web, connectTimeout: "7s" } satisfies ClusterJson]));
      await source.settled();
      await load.until("200 one", 50);

      source.set(new Map([[endpointType, [assignment("web", [two])]]]));
      await load.until("200 two", 50);

      const before = await stat(proxy, "http.in.downstream_cx_total");
      // Something of the listener changes that no filter chain is made of.
      source.set(
        new Map([[listenerType, [{ ...listener, metadata: { filterMetadata: { a: { b: 1 } } } }]]]),
      );
      await source.settled();
      await load.until("200 two", 100);
      assert.equal(await stat(proxy, "http.in.downstream_cx_total"), before);

      // Another filter chain in the place of the one that is used.
      source.set(new Map([[listenerType, [withPrefix(listener, "changed")]]]));
      await source.settled();
      await load.until("200 two", 100);

      source.set(new Map([[routeType, [routeAnswering("main", "direct")]]]));
      await load.until("200 direct", 50);
      await load.end();
      assert.deepEqual([...load.answers.keys()].sort(), ["200 direct", "200 one", "200 two"]);

      source.set(new Map([[listenerType, []]]));
      await source.settled();
      const gone = new Load(proxy, "in");
      await gone.until(`connect ECONNREFUSED 127.0.0.1:${portOf(proxy)}`, 1);
      await gone.end();
    });

function portOf(proxy: ProxyProcess): number {
  const address = proxy.listener("in");
  assert.ok("port" in address);
  return address.port;
}

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { FakeUpstream } from "../../../testkit/fake-upstream.ts";
import { RawClient, type Response, type ResponseOptions } from "../../../testkit/raw-client.ts";
import { PATIENCE_MS } from "../../../testkit/wire.ts";
import type { ParityCase } from "./area.ts";
import { cluster } from "./config.ts";
import { fill, fillNames, type Json, type JsonObject, type Placeholders } from "./placeholders.ts";
import {
  type AdminAnswer,
  type Finished,
  type ListenerAddress,
  ProxyProcess,
} from "./proxy-process.ts";
import type { Side, SideName } from "./sides.ts";

export interface ContextOptions {
  readonly id: string;
  readonly side: Side;
  readonly folder: string;
  readonly case: ParityCase;
  readonly bootstrap: JsonObject;
}

interface StaticResources {
  readonly listeners: readonly Json[];
  readonly clusters: readonly Json[];
  readonly secrets: readonly Json[];
}

/** What a case's `run` gets: the proxy under test, what stands behind it, and ways to look at both. */
export class CaseContext {
  readonly case: ParityCase;
  /** The prefix that `{case}` stands for. */
  readonly id: string;
  readonly folder: string;
  #proxy: ProxyProcess | undefined;
  #ownsProxy = false;
  readonly #side: Side;
  readonly #areaBootstrap: JsonObject;
  readonly #upstreams = new Map<string, FakeUpstream>();
  readonly #clients: { close(): void }[] = [];

  constructor(options: ContextOptions) {
    this.case = options.case;
    this.id = options.id;
    this.folder = options.folder;
    this.#side = options.side;
    this.#areaBootstrap = options.bootstrap;
  }

  get side(): SideName {
    return this.#side.name;
  }

  get proxy(): ProxyProcess {
    if (this.#proxy === undefined) throw new Error("the proxy was not started");
    return this.#proxy;
  }

  set proxy(proxy: ProxyProcess) {
    this.#proxy = proxy;
  }

  // What a case does.

  upstream(name = "main"): FakeUpstream {
    const upstream = this.#upstreams.get(name);
    if (upstream === undefined) throw new Error(`the case has no upstream ${name}`);
    return upstream;
  }

  address(listener = "main"): ListenerAddress {
    return this.proxy.listener(`${this.id}-${listener}`);
  }

  /** A connection to the case's listener; closed after the case. */
  async connect(listener = "main"): Promise<RawClient> {
    return this.connectTo(this.address(listener));
  }

  async connectTo(address: ListenerAddress): Promise<RawClient> {
    const client = await RawClient.connect(address);
    this.#clients.push(client);
    return client;
  }

  /** Called after the case. */
  cleanUp(close: () => void): void {
    this.#clients.push({ close });
  }

  /** One request on a connection of its own. */
  async send(request: string, options: ResponseOptions = {}): Promise<Response> {
    return (await this.connect()).exchange(request, options);
  }

  /** `GET path` with more fields, each `name: value`, on a connection of its own. */
  async get(path: string, ...fields: readonly string[]): Promise<Response> {
    return this.send(get(path, ...fields));
  }

  async admin(path: string, method?: string): Promise<AdminAnswer> {
    return this.proxy.admin(this.fill(path), method);
  }

  /** One counter or gauge; `{case}` is filled. Undefined when the proxy does not have it. */
  async stat(name: string): Promise<number | undefined> {
    const wanted = this.fill(name);
    const filter = encodeURIComponent(`^${wanted.replaceAll(".", "\\.")}$`);
    const { body } = await this.admin(`/stats?filter=${filter}`);
    const line = body.split("\n").find((text) => text.startsWith(`${wanted}: `));
    return line === undefined ? undefined : Number(line.slice(wanted.length + 2));
  }

  /** Waits until the counters have these values: a response may be read before it was counted. */
  async stats(expected: Readonly<Record<string, number>>): Promise<void> {
    await this.eventually(async () => {
      const actual = Object.fromEntries(
        await Promise.all(Object.keys(expected).map(async (name) => [name, await this.stat(name)])),
      );
      assert.deepEqual(actual, expected);
    });
  }

  /** The case's access log once it has this many lines. */
  async log(lines = 1, path: string = this.#placeholders.logPath): Promise<readonly string[]> {
    return this.eventually(async () => {
      const found = readFileSync(path, "utf8").split("\n").slice(0, -1);
      assert.ok(found.length >= lines, `${found.length} of ${lines} lines in the access log`);
      return found;
    });
  }

  /** The first line of the access log: by default `CODE FLAGS DETAILS`. */
  async logLine(): Promise<string> {
    return (await this.log())[0] ?? "";
  }

  /** Repeats an assertion on something that follows without an event to wait for. */
  async eventually<T>(check: () => Promise<T>): Promise<T> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      try {
        return await check();
      } catch (error) {
        if (deadline.aborted) throw error;
      }
      await delay(10);
    }
  }

  fill(text: string): string {
    return fillNames(text, this.#placeholders);
  }

  /** Runs the proxy with the case's configuration until it ends by itself. */
  async command(...words: readonly string[]): Promise<Finished> {
    return ProxyProcess.finish({ side: this.#side, ...this.#own(), arguments: words });
  }

  /** Starts a proxy of the case's own. */
  async start(...words: readonly string[]): Promise<ProxyProcess> {
    this.#ownsProxy = true;
    this.proxy = await ProxyProcess.start({
      side: this.#side,
      ...this.#own(),
      arguments: [...(this.case.own?.arguments ?? []), ...words],
    });
    return this.proxy;
  }

  // What the harness does.

  async open(): Promise<void> {
    const { upstream, upstreams = upstream === undefined ? {} : { main: upstream } } = this.case;
    for (const [name, script] of Object.entries(upstreams)) {
      this.#upstreams.set(name, await new FakeUpstream(script, this.case.upstreamTls).listen());
    }
    this.case.prepare?.(this);
  }

  /** After the case: its connections and its own process. */
  async disconnect(): Promise<void> {
    for (const client of this.#clients) client.close();
    if (this.#ownsProxy) await this.#proxy?.stop();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#upstreams.values()].map((upstream) => upstream.close()));
  }

  assertUpstreamsContent(): void {
    for (const upstream of this.#upstreams.values()) {
      assert.deepEqual(upstream.failures, [], "a script of the fake upstream failed");
    }
  }

  staticResources(): StaticResources {
    const { listeners = [], clusters = [], secrets = [] } = this.case.config;
    const named = new Set(clusters.map(({ name }) => name));
    const implied = [...this.#upstreams.keys()]
      .filter((name) => !named.has(`{case}-${name}`))
      .map((name) => cluster(name));
    const filled = (list: readonly JsonObject[]) =>
      list.map((it) => fill(it, this.#placeholders) ?? null);
    return {
      listeners: filled(listeners),
      clusters: filled([...clusters, ...implied]),
      secrets: filled(secrets),
    };
  }

  static bootstrap(
    { listeners, clusters, secrets }: StaticResources,
    extra: JsonObject,
  ): JsonObject {
    return {
      admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
      static_resources: { listeners, clusters, ...(secrets.length > 0 ? { secrets } : {}) },
      ...extra,
    };
  }

  /** For a failed case: what happened to the proxy and behind it. */
  describe(): string {
    const proxy = this.#proxy;
    const upstreams = [...this.#upstreams].map(
      ([name, upstream]) => `upstream ${name} received ${JSON.stringify(upstream.received)}`,
    );
    const state = proxy === undefined ? "not started" : proxy.running ? "running" : "gone";
    const output = proxy === undefined ? "" : proxy.output.slice(-2000);
    return [`proxy ${state}`, output, ...upstreams].join("\n");
  }

  get #placeholders(): Placeholders {
    return {
      id: this.id,
      folder: this.folder,
      logPath: join(this.folder, "access.log"),
      upstreamPort: (name) => this.upstream(name).port,
    };
  }

  #own() {
    const folder = mkdtempSync(join(this.folder, "process-"));
    const extra = fill({ ...this.#areaBootstrap, ...this.case.own?.bootstrap }, this.#placeholders);
    assert.ok(typeof extra === "object" && extra !== null && !Array.isArray(extra));
    // Proof: not null, not an array, and `Json` has no other object.
    return {
      folder,
      bootstrap: CaseContext.bootstrap(this.staticResources(), extra as JsonObject),
    };
  }
}

/** The bytes of a GET with Host `host.test`. */
export function get(path: string, ...fields: readonly string[]): string {
  return [`GET ${path} HTTP/1.1`, "host: host.test", ...fields, "", ""].join("\r\n");
}

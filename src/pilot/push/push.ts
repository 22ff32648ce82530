import type { NodeJson } from "#gen/envoy/config/core/v3/base_pb.js";
import { GrpcCode, GrpcError } from "#grpc/status.ts";
import type { Clock } from "#lib/clock.ts";
import type { MetricsRegistry } from "#lib/prometheus.ts";
import type { ProxyNode } from "#model/node.ts";
import { readNode } from "#model/read-node.ts";
import type { ResourceType } from "#xds/resource-type.ts";
import type { Answer, ResourceSource, Sent, Snapshot, XdsConnection } from "#xds/source.ts";
import type { MeshState } from "../state/mesh-state.ts";
import type { ProxyView } from "../view.ts";
import { proxyView } from "../views.ts";
import { type Acknowledged, Acknowledgements } from "./acknowledgements.ts";
import { ConnectedProxy } from "./connected-proxy.ts";
import { type Burst, Debounce } from "./debounce.ts";
import { Departed } from "./departed.ts";
import type { LiveMesh, MeshChange, PushReason } from "./live-mesh.ts";
import { addProblemMetrics, ProblemLog } from "./problem-log.ts";
import { EndpointSets, ProxySnapshot, type SnapshotServices } from "./proxy-snapshot.ts";
import { type PushMetrics, pushMetrics } from "./push-metrics.ts";
import { PushQueue } from "./push-queue.ts";
import { SetCache } from "./set-cache.ts";

export interface PushOptions {
  readonly clock: Clock;
  readonly mesh: LiveMesh;
  readonly metrics: MetricsRegistry;
  /** `setImmediate`, but for tests. */
  defer(work: () => void): void;
  log(level: "info" | "warning" | "error", message: string): void;
  /** Told of proxies that come; what it returns is told when they go. */
  onConnect?(node: ProxyNode): { disconnect(): void } | undefined;
  /** PILOT_DEBOUNCE_AFTER; 100 ms by default. */
  readonly quietMs?: number;
  /** PILOT_DEBOUNCE_MAX; 10 s by default. */
  readonly maxMs?: number;
  /** PILOT_PUSH_THROTTLE: proxies at work on a push at a time; 100 by default. */
  readonly concurrency?: number;
}

/** How long a proxy that does not acknowledge keeps its place in the queue. */
const slotMs = 2000;

/** From changes of the mesh to what each proxy has: debounced, merged, and only what is another thing than before. */
export class Push implements ResourceSource {
  readonly proxies: Map<XdsConnection, ConnectedProxy> = new Map();
  readonly #registrations: Map<XdsConnection, { disconnect(): void }> = new Map();
  readonly #options: PushOptions;
  readonly #metrics: PushMetrics;
  readonly #debounce: Debounce;
  readonly #queue: PushQueue<ConnectedProxy>;
  readonly #acknowledgements: Acknowledgements;
  readonly #problems: ProblemLog;
  readonly #services: SnapshotServices;
  readonly #reasons: Set<PushReason> = new Set();
  #state: MeshState | undefined;
  /** Of the last change. */
  #revision = 1;
  #pushedRevision = 1;
  /** Those who do not have the pushed revision yet. */
  readonly #behind: Set<ConnectedProxy> = new Set();
  readonly #departed = new Departed();
  #unsubscribe: (() => void) | undefined;

  constructor(options: PushOptions) {
    const { clock, quietMs = 100, maxMs = 10_000, concurrency = 100, defer } = options;
    this.#options = options;
    this.#metrics = pushMetrics(options.metrics, { clients: () => this.proxies.size });
    this.#debounce = new Debounce({ clock, quietMs, maxMs, onFire: (burst) => this.#fire(burst) });
    const start = (proxy: ConnectedProxy) => this.#start(proxy);
    this.#queue = new PushQueue({ clock, concurrency, slotMs, defer, start });
    this.#acknowledgements = new Acknowledgements(clock, {
      proxies: () => this.proxies.values(),
      isBehind: (revision) => this.#isBehind(revision),
    });
    this.#problems = new ProblemLog((message) => options.log("warning", message));
    addProblemMetrics(options.metrics, () => this.proxies.values());
    this.#services = {
      sets: new SetCache((error) => this.#onInternalError(error.message)),
      endpoints: new EndpointSets(),
      onFailure: (type, view, error) => this.#onFailure(type, view, error),
      measure: (type, work) => this.#measure(type, work),
    };
  }

  /** Of the last change that is known; `acknowledged` waits for it. */
  get revision(): number {
    return this.#revision;
  }

  /** Nothing waits to be sent. */
  get idle(): boolean {
    return this.#debounce.events === 0 && this.#queue.depth === 0 && this.#queue.working === 0;
  }

  start(): void {
    this.#unsubscribe = this.#options.mesh.subscribe((change) => this.#note(change));
  }

  stop(): void {
    this.#unsubscribe?.();
    this.#debounce.stop();
  }

  /** Resolves when every proxy concerned has taken or refused what the revision brought, or with how far they are after the time. */
  acknowledged(revision: number, timeoutMs: number): Promise<Acknowledged> {
    return this.#acknowledgements.wait(revision, timeoutMs);
  }

  /** Some proxy has not answered to all of it yet. */
  #isBehind(revision: number): boolean {
    if (this.#pushedRevision < revision) return true;
    for (const proxy of this.#behind) if (proxy.settledRevision < revision) return true;
    return false;
  }

  // === Changes ===

  #note({ reason }: MeshChange): void {
    this.#revision++;
    this.#reasons.add(reason);
    this.#metrics.updates.add(1, { type: reason });
    this.#debounce.note();
  }

  #fire({ sinceMs }: Burst): void {
    const { clock } = this.#options;
    this.#metrics.debounceTime.observe((clock.monotonicMs() - sinceMs) / 1000);
    for (const reason of this.#reasons) this.#metrics.triggers.add(1, { type: reason });
    this.#reasons.clear();
    if (!this.#readState()) return;
    this.#pushedRevision = this.#revision;
    this.#departed.clear();
    for (const proxy of this.proxies.values()) {
      this.#behind.add(proxy);
      this.#enqueue(proxy, sinceMs);
    }
    this.#acknowledgements.check();
  }

  /** A state that cannot be worked out is no reason to stop serving the last one. */
  #readState(): boolean {
    try {
      this.#state = this.#options.mesh.state();
      return true;
    } catch (error) {
      this.#onInternalError(`the state of the mesh: ${textOf(error)}`);
      return false;
    }
  }

  #enqueue(proxy: ConnectedProxy, changedMs: number): void {
    const now = this.#options.clock.monotonicMs();
    if (this.#queue.isIdle(proxy)) proxy.changedMs = changedMs;
    proxy.queuedMs = now;
    this.#queue.add(proxy);
  }

  #start(proxy: ConnectedProxy): void {
    const { clock } = this.#options;
    this.#metrics.queueTime.observe((clock.monotonicMs() - proxy.queuedMs) / 1000);
    try {
      const snapshot = this.#snapshotOf(proxy.node, proxy.snapshot ?? proxy.before);
      proxy.before = undefined;
      proxy.snapshot = snapshot;
      proxy.connection.push(snapshot);
      if (snapshot.changed) this.#problems.note(proxy);
    } catch (error) {
      this.#onInternalError(`${proxy.id}: ${textOf(error)}`);
    }
    this.#settle(proxy);
  }

  #snapshotOf(node: ProxyNode, before?: ProxySnapshot): ProxySnapshot {
    const state = this.#state ?? this.#options.mesh.state();
    this.#state = state;
    const view = proxyView(state, node);
    return new ProxySnapshot(this.#pushedRevision, view, this.#services, before);
  }

  /** When the proxy has it all, its place in the queue is free. */
  #settle(proxy: ConnectedProxy): void {
    if (!proxy.connection.settled) return;
    if (proxy.settledRevision < proxy.revision) {
      proxy.settledRevision = proxy.revision;
      if (proxy.concernedRevision === proxy.revision) {
        const sinceMs = this.#options.clock.monotonicMs() - proxy.changedMs;
        this.#metrics.convergenceTime.observe(sinceMs / 1000);
      }
    }
    if (proxy.settledRevision >= this.#pushedRevision) this.#behind.delete(proxy);
    this.#queue.done(proxy);
    this.#acknowledgements.check();
  }

  // === Proxies ===

  connect(connection: XdsConnection): void {
    const departed = this.#departed.take(connection);
    const node = departed?.node ?? this.#readNode(connection.node);
    const proxy = new ConnectedProxy(connection, node);
    proxy.before = departed?.snapshot;
    this.proxies.set(connection, proxy);
    this.#behind.add(proxy);
    this.#options.log("info", `${node.id} connected from ${connection.peer}`);
    // First: it is to see what it has registered itself as.
    const registration = this.#options.onConnect?.(node);
    if (registration !== undefined) this.#registrations.set(connection, registration);
    this.#enqueue(proxy, this.#options.clock.monotonicMs());
  }

  #readNode({ id = "", metadata, locality }: NodeJson): ProxyNode {
    if (!this.#options.mesh.synced)
      throw new GrpcError(GrpcCode.unavailable, "the configuration has not been read yet");
    const read = readNode({ id, metadata, locality });
    if ("node" in read) return read.node;
    throw new GrpcError(GrpcCode.invalidArgument, read.problems.join("; "));
  }

  disconnect(connection: XdsConnection): void {
    const proxy = this.proxies.get(connection);
    if (proxy === undefined) return;
    this.proxies.delete(connection);
    this.#behind.delete(proxy);
    this.#queue.remove(proxy);
    this.#departed.add(proxy);
    this.#problems.forget(proxy);
    this.#options.log("info", `${proxy.id} disconnected`);
    this.#registrations.get(connection)?.disconnect();
    this.#registrations.delete(connection);
    this.#acknowledgements.check();
  }

  onSent(connection: XdsConnection, { type, bytes }: Sent): void {
    this.#metrics.pushes.add(1, { type: type.name });
    this.#metrics.configSize.observe(bytes, { type: type.name });
    const proxy = this.proxies.get(connection);
    if (proxy !== undefined) proxy.concernedRevision = proxy.revision;
  }

  onAnswer(connection: XdsConnection, { type, refused }: Answer): void {
    const proxy = this.proxies.get(connection);
    if (proxy === undefined) return;
    const reject = this.#metrics.rejectsOf.get(type.name);
    if (refused === undefined) {
      if (proxy.refusals.delete(type)) reject?.set(0, { node: proxy.id });
    } else {
      const { detail } = refused;
      proxy.refusals.set(type, { type, revision: proxy.revision, detail });
      this.#metrics.rejects.add(1, { type: type.name });
      reject?.set(1, { node: proxy.id });
      this.#options.log("warning", `${proxy.id} refuses ${type.name}: ${detail}`);
    }
    this.#settle(proxy);
  }

  onSubscribe(connection: XdsConnection): void {
    const proxy = this.proxies.get(connection);
    if (proxy !== undefined && proxy.snapshot !== undefined) this.#settle(proxy);
  }

  /** REST and Fetch. */
  snapshot(node: NodeJson): Snapshot {
    return this.#snapshotOf(this.#readNode(node));
  }

  // === Numbers and faults ===

  #measure<T>(type: ResourceType, work: () => T): T {
    const { clock } = this.#options;
    const beganMs = clock.monotonicMs();
    const result = work();
    const tookMs = clock.monotonicMs() - beganMs;
    this.#metrics.pushTime.observe(tookMs / 1000, { type: type.name });
    return result;
  }

  #onFailure(type: ResourceType, view: ProxyView, error: unknown): void {
    this.#onInternalError(`${view.node.id} ${type.name}: ${textOf(error)}`);
  }

  #onInternalError(message: string): void {
    this.#metrics.internalErrors.add();
    this.#options.log("error", message);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

import type { GrpcServer } from "#grpc/server.ts";
import { GrpcCode } from "#grpc/status.ts";
import type { Clock } from "#lib/clock.ts";
import { MetricsRegistry } from "#lib/prometheus.ts";
import type { ProxyNode } from "#model/node.ts";
import type { ConfigObject } from "#model/object.ts";
import { RestDiscovery } from "#xds/rest.ts";
import { XdsServer } from "#xds/server.ts";
import type { Acknowledged } from "./push/acknowledgements.ts";
import type { ConnectedProxy } from "./push/connected-proxy.ts";
import { syncz } from "./push/debug.ts";
import { answerPage, type PilotAnswer, type PilotRequest, text } from "./push/http.ts";
import type { LiveMesh } from "./push/live-mesh.ts";
import { Push } from "./push/push.ts";

export interface PilotOptions {
  readonly clock: Clock;
  readonly mesh: LiveMesh;
  /** Every object that the stores hold, for `/debug/configz`. */
  objects(): readonly ConfigObject[];
  readonly version: string;
  log(level: "info" | "warning" | "error", message: string): void;
  /** Work that may wait until what has arrived is handled: `setImmediate`. */
  defer(work: () => void): void;
  /** Told of proxies that come; what it returns is told when they go. */
  onConnect?(node: ProxyNode): { disconnect(): void } | undefined;
  /** PILOT_DEBOUNCE_AFTER; 100 ms by default. */
  readonly debounceAfterMs?: number;
  /** PILOT_DEBOUNCE_MAX; 10 s by default. */
  readonly debounceMaxMs?: number;
  /** PILOT_PUSH_THROTTLE; 100 by default. */
  readonly pushThrottle?: number;
}

/** Pilot: what a live mesh looks like to each proxy, pushed to it over xDS. Sockets are the caller's. */
export class Pilot {
  readonly metrics: MetricsRegistry = new MetricsRegistry();
  readonly #options: PilotOptions;
  readonly #push: Push;
  readonly #xds: XdsServer;
  readonly #rest: RestDiscovery;

  constructor(options: PilotOptions) {
    const { clock, mesh, version, log, defer } = options;
    this.#options = options;
    this.#push = new Push({
      clock,
      mesh,
      metrics: this.metrics,
      log,
      defer,
      ...(options.onConnect && { onConnect: options.onConnect }),
      quietMs: options.debounceAfterMs ?? 100,
      maxMs: options.debounceMaxMs ?? 10_000,
      concurrency: options.pushThrottle ?? 100,
    });
    const controlPlane = JSON.stringify({ component: "heddle-pilot", version });
    this.#xds = new XdsServer({ clock, source: this.#push, controlPlane });
    this.#rest = new RestDiscovery(this.#push);
    this.#addMetrics();
  }

  start(): void {
    this.#push.start();
  }

  /** Ends every stream; the proxies go on with what they have, and look for another Pilot. */
  stop(): void {
    this.#push.stop();
    this.#xds.close({ code: GrpcCode.unavailable, message: "Pilot is stopping" });
  }

  register(server: GrpcServer): void {
    this.#xds.register(server);
  }

  get proxies(): Iterable<ConnectedProxy> {
    return this.#push.proxies.values();
  }

  /** Of the last change that Pilot knows of. */
  get revision(): number {
    return this.#push.revision;
  }

  /** Resolves when every proxy concerned has taken or refused what came up to this revision, or after the time. */
  acknowledged(revision: number, timeoutMs: number): Promise<Acknowledged> {
    return this.#push.acknowledged(revision, timeoutMs);
  }

  /** What `proxy-status` shows: one entry a stream. */
  status(): readonly object[] {
    return syncz(this.proxies);
  }

  /** REST discovery, `/ready`, `/metrics`, `/debug/…`. */
  async answer(request: PilotRequest): Promise<PilotAnswer> {
    const { mesh, version, objects } = this.#options;
    try {
      const discovery = this.#rest.answer(request);
      if (discovery !== undefined) return await discovery;
      const page = answerPage(request, {
        mesh,
        version,
        objects,
        proxies: () => this.proxies,
        metrics: () => this.metrics.text(),
      });
      return page ?? text(404, `no page ${JSON.stringify(request.path)}; /debug lists some`);
    } catch (error) {
      return text(500, error instanceof Error ? error.message : String(error));
    }
  }

  #addMetrics(): void {
    const { metrics } = this;
    const { clock, mesh, version } = this.#options;
    const startedMs = clock.monotonicMs();
    const counted = (name: string, help: string, count: () => number) =>
      metrics.gauge(name, help, (gauge) => gauge.set(count()));
    const { counters } = this.#xds;
    counted(
      "pilot_xds_expired_nonce",
      "Requests with a nonce that is not the last.",
      () => counters.staleNonces,
    );
    counted(
      "pilot_xds_unknown_types",
      "Requests of types not served.",
      () => counters.unknownTypes,
    );
    counted(
      "pilot_xds_types_over_limit",
      "Requests refused: too many types.",
      () => counters.typesOverLimit,
    );
    counted(
      "pilot_xds_names_over_limit",
      "Streams ended: too many names.",
      () => counters.namesOverLimit,
    );
    counted(
      "pilot_xds_order_released",
      "Times that make-before-break gave up waiting.",
      () => counters.released,
    );
    counted("pilot_services", "Services known.", () => mesh.state().services.length);
    counted(
      "pilot_virt_services",
      "VirtualServices known.",
      () => mesh.state().virtualServices.length,
    );
    counted(
      "istiod_uptime_seconds",
      "Since the start.",
      () => (clock.monotonicMs() - startedMs) / 1000,
    );
    metrics.gauge("pilot_info", "The version.", (gauge) => gauge.set(1, { version }));
  }
}

import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { ConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import type { ClusterLoadAssignmentJson } from "#gen/envoy/config/endpoint/v3/endpoint_pb.js";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import type { SecretJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import type { RuntimeJson } from "#gen/envoy/service/runtime/v3/rtds_pb.js";
import type { Clock } from "#lib/clock.ts";
import { endpointType, routeType, runtimeType, secretType } from "#xds/resource-type.ts";
import type { Subscriber } from "#xds/subscriber.ts";
import { SubscriptionStats } from "#xds/subscription-stats.ts";
import type { AssignmentSource, AssignmentWatcher } from "../cluster/discovery/eds-feed.ts";
import type { MainClusters } from "../main-clusters.ts";
import type { Services } from "../services.ts";
import type { StatsScope } from "../stats/stats.ts";
import { checkSecret } from "../tls/check-secret.ts";
import type { SecretFiles } from "../tls/secret-files.ts";
import { secretKey } from "../tls/secrets.ts";
import type { ToWorker } from "../worker-protocol.ts";
import { initialFetchTimeoutMs } from "./config-source.ts";
import { DynamicClusters } from "./dynamic-clusters.ts";
import { DynamicListeners } from "./dynamic-listeners.ts";
import { ExtensionWatches } from "./extension-watches.ts";
import { NamedResources, type NamedStatus } from "./named-resources.ts";
import { RouteWatches } from "./route-watches.ts";
import type { ScopeSubscription } from "./scope-subscription.ts";
import { SecretWatches } from "./secret-watches.ts";
import type { Sources } from "./sources.ts";
import type { StatusEntry } from "./status.ts";
import { VirtualHosts, type VirtualHostsContext } from "./virtual-hosts.ts";
import { type Waiter, waitForAll } from "./waits.ts";
import type { WorkerControl } from "./worker-control.ts";

export interface DynamicConfigContext {
  readonly clock: Clock;
  readonly workers: WorkerControl;
  readonly sources: Sources;
  readonly stats: StatsScope;
  readonly log: Services["log"];
  readonly secretFiles: SecretFiles;
  readonly broadcast: (message: ToWorker) => void;
}

/** Of one SRDS subscription, for /config_dump. */
export type ScopesDump = Pick<ScopeSubscription, "name" | "versionInfo" | "updatedMs" | "scopes">;

/** One type of resources for /config_dump. */
export interface DynamicDump {
  readonly clusters: readonly StatusEntry<ClusterJson>[];
  readonly clustersVersion: string;
  readonly listeners: readonly StatusEntry<object>[];
  readonly listenersVersion: string;
  readonly routes: readonly NamedStatus[];
  readonly scopes: readonly ScopesDump[];
  readonly secrets: readonly NamedStatus[];
  readonly endpoints: readonly NamedStatus[];
  /** Undefined: no filter asks for one. */
  readonly extensions: readonly NamedStatus[] | undefined;
}

/** Everything that a proxy is told while it runs: clusters and their endpoints, listeners and their routes, secrets. */
export class DynamicConfig implements AssignmentSource {
  readonly #bootstrap: BootstrapJson;
  readonly #context: DynamicConfigContext;
  readonly #assignments: NamedResources<ClusterLoadAssignmentJson>;
  readonly #routes: NamedResources<RouteConfigurationJson>;
  readonly #secrets: NamedResources<SecretJson>;
  readonly #runtime: NamedResources<RuntimeJson>;
  readonly #extensions: ExtensionWatches;
  readonly #routeWatches: RouteWatches;
  readonly #virtualHosts: VirtualHosts;
  #clusters: DynamicClusters | undefined;
  #listeners: DynamicListeners | undefined;

  constructor(bootstrap: BootstrapJson, context: DynamicConfigContext) {
    const { sources, clock, workers, broadcast } = context;
    this.#bootstrap = bootstrap;
    this.#context = context;
    this.#assignments = new NamedResources(endpointType, { sources, clock });
    this.#virtualHosts = new VirtualHosts({ ...context, ads: adsForm(bootstrap) });
    this.#routes = new NamedResources(routeType, {
      sources,
      clock,
      accept: (resource, source) => this.#virtualHosts.accept(resource, source),
      forget: (name, source) => {
        this.#virtualHosts.forget(name, source);
        workers.step({ kind: "forget-routes", name });
      },
    });
    this.#runtime = new NamedResources(runtimeType, {
      sources,
      clock,
      accept: async ({ name, json }) => {
        // Proof: the source decoded it as a Runtime.
        const { layer = {} } = json as unknown as RuntimeJson;
        broadcast({ kind: "runtime-layer", name, values: layer });
      },
    });
    this.#routeWatches = new RouteWatches({
      ...context,
      routes: this.#routes,
      virtualHosts: this.#virtualHosts,
    });
    this.#extensions = new ExtensionWatches(context);
    this.#secrets = new NamedResources(secretType, {
      sources,
      clock,
      accept: async ({ name, json }, sdsConfig) => {
        // Proof: the source decoded it as a secret.
        const secret = json as unknown as SecretJson;
        checkSecret(secret);
        broadcast({ kind: "secret", key: secretKey({ name, sdsConfig }), secret });
      },
      forget: (name, sdsConfig) =>
        broadcast({ kind: "secret", key: secretKey({ name, sdsConfig }), secret: undefined }),
    });
  }

  /** Layers that come by RTDS: everything else may depend on what they say. */
  #runtimeLayers(): Promise<void> {
    const layers = this.#bootstrap.layeredRuntime?.layers ?? [];
    const watches = layers.flatMap(({ name = "", rtdsLayer }) => {
      if (rtdsLayer === undefined) return [];
      const { rtdsConfig = {}, name: resource } = rtdsLayer;
      return [(waiter: Waiter) => this.#runtime.watch(rtdsConfig, resource || name, waiter)];
    });
    return new Promise((resolve) => waitForAll(watches, resolve).start());
  }

  /** Endpoints for a cluster, static or not. */
  watch(config: ClusterJson, { stats, onAssignment, onTimeout }: AssignmentWatcher): () => void {
    const { edsConfig = {}, serviceName } = config.edsClusterConfig ?? {};
    stats.attempt.inc();
    return this.#assignments.watch(edsConfig, serviceName || (config.name ?? ""), {
      onResource: (assignment) => {
        onAssignment(assignment);
        stats.success.inc();
      },
      onTimeout: () => {
        stats.failure.inc();
        onTimeout();
      },
    });
  }

  /** Resolves when what the control plane sent first is in use, or has not come in time: clusters first, then listeners. */
  async start(clusters: MainClusters): Promise<void> {
    const { staticResources, dynamicResources } = this.#bootstrap;
    const { clock, workers, sources, stats, log } = this.#context;
    const secrets = new SecretWatches(this.#secrets, this.#context.secretFiles);
    const names = (items: readonly { readonly name?: string }[] | undefined): ReadonlySet<string> =>
      new Set((items ?? []).map(({ name = "" }) => name));
    this.#clusters = new DynamicClusters({
      clock,
      workers,
      sources,
      clusters,
      secrets,
      stats,
      staticNames: names(staticResources?.clusters),
    });
    this.#listeners = new DynamicListeners({
      clock,
      workers,
      sources,
      routes: this.#routeWatches,
      secrets,
      extensions: this.#extensions,
      stats,
      log,
      staticListeners: staticResources?.listeners ?? [],
    });
    await this.#runtimeLayers();
    if (dynamicResources?.cdsConfig !== undefined) {
      await this.#first(dynamicResources.cdsConfig, this.#clusters, "cluster_manager.cds.");
      await this.#clusters.warm();
    }
    await this.#staticNeeds(secrets);
    if (dynamicResources?.ldsConfig === undefined) return;
    await this.#first(dynamicResources.ldsConfig, this.#listeners, "listener_manager.lds.");
    await this.#listeners.warm();
  }

  /** Routes and secrets that the bootstrap's own listeners and clusters name. */
  #staticNeeds(secrets: SecretWatches): Promise<void> {
    return new Promise((resolve) => {
      const { staticResources = {} } = this.#bootstrap;
      let waitsFor = 3;
      const ready = (): void => {
        if (--waitsFor === 0) resolve();
      };
      secrets.watchAll(staticResources, ready).start();
      this.#routeWatches.watchAll(staticResources, ready).start();
      this.#extensions.watchAll(staticResources, ready).start();
    });
  }

  #first(source: ConfigSourceJson, subscriber: Subscriber, prefix: string): Promise<void> {
    const stats = new SubscriptionStats(this.#context.stats.scope(prefix));
    return new Promise((resolve) => {
      const timeoutMs = initialFetchTimeoutMs(source);
      const timer =
        timeoutMs === undefined
          ? undefined
          : this.#context.clock.after(timeoutMs, () => {
              stats.timedOut();
              resolve();
            });
      const done = (): void => {
        timer?.cancel();
        resolve();
      };
      this.#context.sources.of(source, subscriber.type).subscribe(
        {
          type: subscriber.type,
          apply: async (update) => {
            const problems = await subscriber.apply(update);
            done();
            return problems;
          },
          onRefused: done,
          stats,
        },
        "all",
      );
    });
  }

  dump(): DynamicDump {
    return {
      clusters: this.#clusters?.status.entries ?? [],
      clustersVersion: this.#clusters?.status.versionInfo ?? "",
      listeners: this.#listeners?.status.entries ?? [],
      listenersVersion: this.#listeners?.status.versionInfo ?? "",
      routes: this.#routes.status().map((status) => this.#virtualHosts.whole(status)),
      scopes: this.#routeWatches.scopes(),
      secrets: this.#secrets.status(),
      endpoints: this.#assignments.status(),
      extensions: this.#extensions.asked ? this.#extensions.status() : undefined,
    };
  }
}

function adsForm({ dynamicResources }: BootstrapJson): VirtualHostsContext["ads"] {
  const ads = dynamicResources?.adsConfig;
  if (ads === undefined) return undefined;
  return ads.apiType === "DELTA_GRPC" ? "delta" : "state of the world";
}

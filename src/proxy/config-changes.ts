import { unreachable } from "#lib/assert.ts";
import { ConfigError } from "#lib/config-error.ts";
import { SharedCells } from "./cluster/circuit-breakers.ts";
import type { WorkerClusters } from "./cluster/worker-clusters.ts";
import type { ExtensionConfigs } from "./filters/extension-configs.ts";
import type { HeldContexts } from "./lease.ts";
import type { ListenerManager } from "./listener/listener-manager.ts";
import type { RouteConfigs } from "./route/route-configs.ts";
import type { ScopedRoutes } from "./route/scoped-routes.ts";
import type { LayeredRuntime } from "./runtime-layers.ts";
import type { Services } from "./services.ts";
import { SharedSlots } from "./shared-slots.ts";
import type { SecretStore } from "./tls/secrets.ts";
import type { ChangeProblem, ConfigChange, ConfigStep } from "./worker-protocol.ts";

/** A worker's services as the worker itself has them. */
export interface WorkerServices extends Services {
  readonly clusters: WorkerClusters;
  readonly runtime: LayeredRuntime;
  readonly secrets: SecretStore;
  readonly tlsContexts: HeldContexts;
  readonly routeConfigs: RouteConfigs;
  readonly scopedRoutes: ScopedRoutes;
  readonly extensions: ExtensionConfigs;
}

/** Configuration that comes while the worker serves. */
export class ConfigChanges {
  readonly #services: WorkerServices;
  readonly #listeners: ListenerManager;

  constructor(services: WorkerServices, listeners: ListenerManager) {
    this.#services = services;
    this.#listeners = listeners;
  }

  /** Takes the good ones; returns what is wrong with the others, which change nothing. */
  apply(changes: readonly ConfigChange[]): readonly ChangeProblem[] {
    const refused: ChangeProblem[] = [];
    for (const [index, change] of changes.entries()) {
      try {
        this.#apply(change);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        refused.push({ index, problems: error.problems });
      }
    }
    return refused;
  }

  #apply(change: ConfigChange): void {
    const services = this.#services;
    switch (change.kind) {
      case "cluster": {
        const { config, cells } = change;
        services.clusters.prepare(config, {
          services,
          contexts: services.tlsContexts,
          cells: cells === undefined ? undefined : new SharedCells(cells, [config.name ?? ""]),
        });
        return;
      }
      case "listener": {
        const { config, count, slots } = change;
        this.#listeners.prepare(config, { ...services, sharedSlots: sharedSlots(slots) }, count);
        return;
      }
      case "routes":
        services.routeConfigs.update(change.config);
        return;
      case "extension":
        services.extensions.update(change.key, change.config, sharedSlots(change.slots));
        return;
      default:
        unreachable(change);
    }
  }

  step(step: ConfigStep): void {
    const { clusters, routeConfigs, scopedRoutes, extensions } = this.#services;
    switch (step.kind) {
      case "activate-clusters":
        for (const name of step.names) clusters.activate(name);
        return;
      case "discard-cluster":
        clusters.discard(step.name);
        return;
      case "remove-cluster":
        clusters.remove(step.name);
        return;
      case "discard-listener":
        this.#listeners.discard(step.name);
        return;
      case "remove-listener":
        this.#listeners.remove(step.name, step);
        return;
      case "forget-routes":
        routeConfigs.forget(step.name);
        return;
      case "scopes":
        scopedRoutes.update(step.key, step);
        return;
      case "forget-scopes":
        scopedRoutes.forget(step.key);
        return;
      case "forget-extension":
        extensions.forget(step.key);
        return;
      default:
        unreachable(step);
    }
  }
}

function sharedSlots(memory: SharedArrayBuffer | undefined): SharedSlots | undefined {
  return memory === undefined ? undefined : new SharedSlots(memory);
}

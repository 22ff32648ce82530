/** Workloads that register themselves: a proxy that names a WorkloadGroup has a WorkloadEntry while it is connected. */
import type { WorkloadEntryJson } from "#gen/istio/networking/v1alpha3/workload_entry_pb.js";
import type { WorkloadGroupJson } from "#gen/istio/networking/v1alpha3/workload_group_pb.js";
import type { Clock } from "#lib/clock.ts";
import { localPortsOf } from "#model/local-ports.ts";
import type { ProxyNode } from "#model/node.ts";
import { type ConfigObject, objectKey } from "#model/object.ts";
import {
  drainingLabel,
  healthChecksAnnotation,
  proxyAnnotation,
} from "./registries/service-entry/workload-entry.ts";
import type { ConfigStore } from "./stores/store.ts";

export interface RegistrarOptions {
  /** Of the entries alone. What it holds from before is kept for the grace period: the proxies may come back. */
  readonly entries: ConfigStore;
  /** What is configured under `WorkloadGroup/namespace/name`. */
  group(key: string): ConfigObject | undefined;
  readonly clock: Clock;
  /** How long an entry outlives its proxy's connection; Istio's 10 s by default. */
  readonly graceMs?: number;
  log(level: "info" | "warning" | "error", message: string): void;
}

interface Registered {
  readonly node: ProxyNode;
  /** A proxy that reconnects may be there twice for a moment. */
  connections: number;
  leaving: boolean;
  healthy: boolean | undefined;
  /** The end of the grace period. */
  timer: { cancel(): void } | undefined;
}

const graceMsDefault = 10_000;
const groupAnnotation = "istio.io/autoRegistrationGroup";
const author = "auto-registration";
/** More proxies than these are served, and not registered. */
const registeredMax = 100_000;

export class Registrar {
  readonly #options: RegistrarOptions;
  /** By node id. */
  readonly #registered: Map<string, Registered> = new Map();
  readonly #orphans: Map<string, { cancel(): void }> = new Map();

  constructor(options: RegistrarOptions) {
    this.#options = options;
    for (const entry of options.entries.list()) this.#expect(entry);
  }

  connected(node: ProxyNode): void {
    if (groupOf(node) === undefined) return;
    const known = this.#registered.get(node.id);
    known?.timer?.cancel();
    if (known === undefined && this.#registered.size >= registeredMax) {
      this.#options.log("error", `${node.id} is not registered: ${registeredMax} proxies are`);
      return;
    }
    const connections = (known?.connections ?? 0) + 1;
    this.#registered.set(node.id, {
      node,
      connections,
      leaving: false,
      healthy: known?.healthy ?? this.#healthBefore(node),
      timer: undefined,
    });
    this.#write(node.id);
  }

  disconnected(node: ProxyNode): void {
    const known = this.#registered.get(node.id);
    if (known === undefined || --known.connections > 0) return;
    if (known.leaving) {
      this.#forget(node.id);
      return;
    }
    const { clock, graceMs = graceMsDefault } = this.#options;
    known.timer = clock.after(graceMs, () => this.#forget(node.id));
  }

  /** Nobody shall send it anything new; it ends what it has. False: no such proxy is registered. */
  leave(nodeId: string): boolean {
    return this.#update(nodeId, { leaving: true });
  }

  /** What somebody beside the workload has found out. */
  setHealth(nodeId: string, healthy: boolean): boolean {
    return this.#update(nodeId, { healthy });
  }

  /** Groups have come, gone or changed. */
  refresh(): void {
    for (const nodeId of this.#registered.keys()) this.#write(nodeId);
  }

  close(): void {
    for (const { timer } of this.#registered.values()) timer?.cancel();
    for (const timer of this.#orphans.values()) timer.cancel();
  }

  /** An entry from before this Pilot was started. */
  #expect(entry: ConfigObject): void {
    const { clock, graceMs = graceMsDefault } = this.#options;
    const key = objectKey(entry);
    const timer = clock.after(graceMs, () => this.#remove(key));
    this.#orphans.set(key, timer);
  }

  #update(nodeId: string, change: Partial<Pick<Registered, "leaving" | "healthy">>): boolean {
    const known = this.#registered.get(nodeId);
    if (known === undefined) return false;
    Object.assign(known, change);
    this.#write(nodeId);
    return true;
  }

  #forget(nodeId: string): void {
    const known = this.#registered.get(nodeId);
    this.#registered.delete(nodeId);
    if (known !== undefined) this.#remove(entryKey(known.node));
  }

  #remove(key: string): void {
    this.#orphans.delete(key);
    const { entries } = this.#options;
    if (entries.get(key) === undefined) return;
    entries.change({ remove: [{ key }], author, message: "its proxy is gone" });
  }

  /** What was known before Pilot was started again. */
  #healthBefore(node: ProxyNode): boolean | undefined {
    const status = this.#options.entries.get(entryKey(node))?.status;
    if (typeof status !== "object" || status === null || !("conditions" in status))
      return undefined;
    return JSON.stringify(status.conditions).includes('"True"');
  }

  #write(nodeId: string): void {
    const known = this.#registered.get(nodeId);
    if (known === undefined) return;
    const { entries, log } = this.#options;
    const group = this.#group(known.node);
    const key = entryKey(known.node);
    if (group === undefined) {
      log(
        "warning",
        `${nodeId} names the WorkloadGroup ${groupOf(known.node)}, which is not there`,
      );
      return;
    }
    this.#orphans.get(key)?.cancel();
    this.#orphans.delete(key);
    try {
      const object = entryOf(known, group);
      entries.change({ set: [{ object }], author, message: `${nodeId} is connected` });
    } catch (error) {
      log(
        "error",
        `${nodeId} is not registered: ${error instanceof Error ? error.message : error}`,
      );
    }
  }

  #group(node: ProxyNode): ConfigObject<WorkloadGroupJson> | undefined {
    const found = this.#options.group(`WorkloadGroup/${node.namespace}/${groupOf(node)}`);
    // Its reader decoded it as one.
    return found as ConfigObject<WorkloadGroupJson> | undefined;
  }
}

function groupOf({ metadata }: ProxyNode): string | undefined {
  const group = metadata["AUTO_REGISTER_GROUP"];
  return typeof group === "string" && group !== "" ? group : undefined;
}

function entryName(node: ProxyNode): string {
  const [name = ""] = node.name.split(".");
  // On a host of its own an address tells workloads apart, as Istio names their entries; on a shared one the proxy's name does.
  if (localPortsOf(node.metadata) !== undefined) return name;
  const parts = [groupOf(node), node.ipAddresses[0], node.network].filter(Boolean);
  return parts
    .join("-")
    .replace(/[^a-z0-9.-]/g, "-")
    .slice(0, 253);
}

function entryKey(node: ProxyNode): string {
  return `WorkloadEntry/${node.namespace}/${entryName(node)}`;
}

function entryOf(
  { node, leaving, healthy }: Registered,
  { metadata, spec }: ConfigObject<WorkloadGroupJson>,
): ConfigObject<WorkloadEntryJson> {
  const template = spec.template ?? {};
  const labels = { ...spec.metadata?.labels, ...template.labels, ...node.labels };
  const local = localPortsOf(node.metadata);
  const health = healthy === undefined ? {} : { status: statusOf(healthy) };
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "WorkloadEntry",
    metadata: {
      name: entryName(node),
      namespace: node.namespace,
      labels: { ...labels, ...(leaving ? { [drainingLabel]: "true" } : {}) },
      annotations: {
        ...spec.metadata?.annotations,
        [groupAnnotation]: metadata.name,
        [proxyAnnotation]: node.id,
        ...(spec.probe === undefined ? {} : { [healthChecksAnnotation]: "true" }),
      },
      creationMs: 0,
      resourceVersion: "",
    },
    spec: {
      ...template,
      address: local?.inbound[0]?.bind ?? node.ipAddresses[0] ?? "",
      ports:
        local === undefined
          ? (template.ports ?? {})
          : Object.fromEntries(local.inbound.map(({ servicePort, port }) => [servicePort, port])),
      labels,
      serviceAccount: template.serviceAccount || node.serviceAccount,
      network: template.network || node.network,
      locality: template.locality || localityText(node),
    },
    ...health,
  };
}

function statusOf(healthy: boolean): unknown {
  return { conditions: [{ type: "Healthy", status: healthy ? "True" : "False" }] };
}

function localityText({ locality: { region, zone, subZone } }: ProxyNode): string {
  return [region, zone, subZone].join("/").replace(/\/+$/, "");
}

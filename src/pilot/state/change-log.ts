import type { Change, Collection } from "../collections/collection.ts";
import { same } from "../collections/same.ts";
import type { RegisteredEndpoints, RegisteredService } from "../registries/registry.ts";
import type { KindName } from "./kinds.ts";
import { kindNames } from "./kinds.ts";
import type { Pipeline, ServiceEndpoints } from "./pipeline.ts";

/** What a change was about, in Istio's words (`pilot_push_triggers`). */
export type ChangeReason = "config" | "endpoint" | "global" | "secret" | "service";

/** What is different in one state from the one before it. */
export interface MeshChange {
  readonly reason: ChangeReason;
  /** Of the objects that changed; empty when another registry's services did. */
  readonly kinds: ReadonlySet<string>;
  /** Hosts of services that came, went or are others now, but for their endpoints. */
  readonly hostnames: ReadonlySet<string>;
  /** Hosts of services whose endpoints changed. */
  readonly endpointsChanged: ReadonlySet<string>;
  /** `namespace/address` of workloads that serve something else now: their proxies' inbound listeners change. */
  readonly addresses: ReadonlySet<string>;
  /** More than endpoints of services that callers get by EDS: clusters, routes or listeners may be others. */
  readonly full: boolean;
}

/** Gathers what changes in a pipeline until it is asked. */
export class ChangeLog {
  readonly #pipeline: Pipeline;
  #kinds: Set<string> = new Set();
  #hostnames: Set<string> = new Set();
  #endpoints: Set<string> = new Set();
  #addresses: Set<string> = new Set();
  #config = false;
  #mesh = false;
  #secret = false;
  #inlineEndpoints = false;

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
    for (const kind of kindNames) this.#watchKind(kind);
    pipeline.mesh.collection.subscribe(() => {
      this.#mesh = true;
    });
    pipeline.services.subscribe((batch) => this.#onServices(batch));
    pipeline.registeredEndpoints.subscribe((batch) => this.#onRegistered(batch));
    pipeline.endpoints.subscribe((batch) => this.#onEndpoints(batch));
    const config: readonly Pick<Collection<object>, "subscribe">[] = [
      pipeline.virtualServices,
      pipeline.ruleTables,
      pipeline.gateways,
      pipeline.sidecars,
      pipeline.labelKeys.collection,
    ];
    for (const collection of config) {
      collection.subscribe(() => {
        this.#config = true;
      });
    }
  }

  /** What changed since the last time; undefined: nothing that anybody sees. */
  take(): MeshChange | undefined {
    const full =
      this.#mesh ||
      this.#config ||
      this.#secret ||
      this.#inlineEndpoints ||
      this.#hostnames.size > 0 ||
      this.#addresses.size > 0;
    const change: MeshChange = {
      reason: this.#reason(),
      kinds: this.#kinds,
      hostnames: this.#hostnames,
      endpointsChanged: this.#endpoints,
      addresses: this.#addresses,
      full,
    };
    const nothing = !full && this.#endpoints.size === 0;
    this.#kinds = new Set();
    this.#hostnames = new Set();
    this.#endpoints = new Set();
    this.#addresses = new Set();
    this.#config = false;
    this.#mesh = false;
    this.#secret = false;
    this.#inlineEndpoints = false;
    return nothing ? undefined : change;
  }

  #reason(): ChangeReason {
    if (this.#mesh) return "global";
    if (this.#config) return "config";
    if (this.#hostnames.size > 0) return "service";
    return this.#secret ? "secret" : "endpoint";
  }

  #watchKind(kind: KindName): void {
    this.#pipeline.objects(kind).subscribe(() => {
      this.#kinds.add(kind);
      if (kind === "Secret") this.#secret = true;
    });
  }

  #onServices(batch: readonly Change<RegisteredService>[]): void {
    for (const { before, after } of batch) {
      if (before !== undefined) this.#hostnames.add(before.service.hostname);
      if (after !== undefined) this.#hostnames.add(after.service.hostname);
    }
  }

  #onEndpoints(batch: readonly Change<ServiceEndpoints>[]): void {
    for (const { before, after } of batch) {
      if (same(before?.endpoints ?? [], after?.endpoints ?? [])) continue;
      const hostname = (after ?? before)?.hostname;
      if (hostname !== undefined) this.#endpoints.add(hostname);
    }
  }

  #onRegistered(batch: readonly Change<RegisteredEndpoints>[]): void {
    for (const { key, before, after } of batch) {
      for (const address of addressesThatChanged(before, after)) this.#addresses.add(address);
      const resolution = this.#pipeline.services.get(key)?.service.resolution;
      // Of a service that is gone others hear; what is looked up is for static ones only.
      if (resolution !== undefined && resolution !== "static") this.#inlineEndpoints = true;
    }
  }
}

/** Where an endpoint's ports came, went or are others. Its health and weight are its callers' matter. */
function addressesThatChanged(
  before: RegisteredEndpoints | undefined,
  after: RegisteredEndpoints | undefined,
): readonly string[] {
  const left = portsByAddress(before);
  const right = portsByAddress(after);
  const addresses = new Set([...left.keys(), ...right.keys()]);
  return [...addresses].filter((address) => !same(left.get(address), right.get(address)));
}

function portsByAddress(
  registered: RegisteredEndpoints | undefined,
): ReadonlyMap<string, readonly object[]> {
  const ports = new Map<string, object[]>();
  for (const endpoint of registered?.endpoints ?? []) {
    const { namespace, address, proxyId } = endpoint;
    ports
      .getOrInsertComputed(`${namespace}/${address}`, () => [])
      .push({ ports: endpoint.ports, proxyId });
  }
  return ports;
}

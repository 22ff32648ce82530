import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import type { ConfigObject } from "#model/object.ts";
import type { Endpoint, Service } from "#model/service.ts";
import type { Collection, Computed } from "../collections/collection.ts";
import type { Graph } from "../collections/graph.ts";
import type { KindName, Specs } from "../state/kinds.ts";
import type { WorkloadIndex } from "./workload-index.ts";

/** A service as one registry has it. */
export interface RegisteredService {
  /** Unique among all registries. */
  readonly key: string;
  readonly service: Service;
}

/** The endpoints that one registry has for a service. */
export interface RegisteredEndpoints {
  /** That of the service. */
  readonly key: string;
  readonly hostname: string;
  readonly namespace: string;
  readonly endpoints: readonly Endpoint[];
}

export interface RegistryCollections {
  readonly services: Collection<RegisteredService>;
  readonly endpoints: Collection<RegisteredEndpoints>;
}

/** What registries are computed from: the objects of each kind, and what the mesh says. */
export interface RegistryInputs {
  objects<K extends KindName>(kind: K): Collection<ConfigObject<Specs[K]>>;
  readonly workloads: WorkloadIndex;
  readonly mesh: Computed<MeshConfigJson>;
  /** Empty lists are filled in with it. */
  readonly defaultServiceExportTo: Computed<readonly string[]>;
  readonly domain: string;
  readonly clusterId: string;
}

/** Makes services of objects: pure, nothing is looked up anywhere. */
export interface ObjectRegistry {
  /** As Istio calls it: "Kubernetes", "External". */
  readonly name: string;
  build(graph: Graph, inputs: RegistryInputs): RegistryCollections;
}

export const serviceKey = ({
  namespace,
  hostname,
}: {
  readonly namespace: string;
  readonly hostname: string;
}): string => `${namespace}/${hostname}`;

/** Under which an object is found in the collection of its kind. */
export const nameKey = ({
  metadata,
}: {
  readonly metadata: { readonly namespace: string; readonly name: string };
}): string => `${metadata.namespace}/${metadata.name}`;

export const byKey = (a: { readonly key: string }, b: { readonly key: string }): number =>
  a.key < b.key ? -1 : a.key > b.key ? 1 : 0;

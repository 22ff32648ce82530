/** A protocol machine without sockets, and a log of what it sends. */
import { fromBinary } from "@bufbuild/protobuf";
import {
  DeltaDiscoveryResponseSchema,
  DiscoveryResponseSchema,
} from "#gen/envoy/service/discovery/v3/discovery_pb.js";
import type { NameSet } from "#xds/name-set.ts";
import { ResourcePool } from "#xds/resource.ts";
import { emptySet, ResourceSet } from "#xds/resource-set.ts";
import {
  clusterType,
  endpointType,
  listenerType,
  type ResourceType,
  routeType,
  secretType,
} from "#xds/resource-type.ts";
import type { Snapshot } from "#xds/source.ts";

const pool = new ResourcePool();

const made: ReadonlyMap<ResourceType, (name: string, content: string) => object> = new Map<
  ResourceType,
  (name: string, content: string) => object
>([
  [clusterType, (name, altStatName) => ({ name, altStatName, type: "EDS" })],
  [endpointType, (clusterName, id) => ({ clusterName, namedEndpoints: { [id]: {} } })],
  [listenerType, (name, statPrefix) => ({ name, statPrefix })],
  [routeType, (name, header) => ({ name, internalOnlyHeaders: [header] })],
  [secretType, (name, inlineString) => ({ name, genericSecret: { secret: { inlineString } } })],
]);

export type Contents = Readonly<Record<string, string>>;
export type World = readonly (readonly [ResourceType, Contents])[];

/** `[[clusterType, { a: "1" }]]`: a cluster named a, with a content that "1" stands for. */
export function snapshotOf(world: World, ttlMs?: number): Snapshot {
  const sets = new Map<ResourceType, ResourceSet>();
  for (const [type, contents] of world) sets.set(type, resourcesOf(type, contents, ttlMs));
  return {
    resources(type: ResourceType, names: NameSet | undefined) {
      const all = sets.get(type) ?? emptySet;
      return names === undefined ? all : all.pick(names);
    },
  };
}

function resourcesOf(type: ResourceType, contents: Contents, ttlMs?: number): ResourceSet {
  const make = made.get(type);
  if (make === undefined) throw new Error(`no maker of ${type.name}`);
  return new ResourceSet(
    Object.entries(contents).map(([name, content]) =>
      pool.of(type, make(name, content), { ttlMs }),
    ),
  );
}

/** The version that a resource has on the wire. */
export function versionOf(type: ResourceType, name: string, content: string): string {
  return resourcesOf(type, { [name]: content }).get(name)?.version ?? "";
}

const nameOf = (typeUrl: string): string => typeUrl.slice(typeUrl.lastIndexOf(".") + 1);

/** "Cluster a b" */
export function sotwLine(bytes: Uint8Array): string {
  const { typeUrl, resources } = fromBinary(DiscoveryResponseSchema, bytes);
  const wrapped = resources.filter(({ typeUrl: url }) => url.endsWith("v3.Resource")).length;
  const ofWrapped = wrapped > 0 ? ` (${wrapped} wrapped)` : "";
  return `${nameOf(typeUrl)} ${resources.length}${ofWrapped}`;
}

/** "Cluster a b -c": what is set and what is removed; "a?" is a heartbeat. */
export function deltaLine(bytes: Uint8Array): string {
  const { typeUrl, resources, removedResources } = fromBinary(DeltaDiscoveryResponseSchema, bytes);
  const set = resources.map(({ name, resource }) => (resource === undefined ? `${name}?` : name));
  return [nameOf(typeUrl), ...set, ...removedResources.map((name) => `-${name}`)].join(" ");
}

import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { NameSet } from "#xds/name-set.ts";
import {
  clusterType,
  endpointType,
  listenerType,
  type ResourceType,
  routeType,
  secretType,
} from "#xds/resource-type.ts";
import { generateClusters } from "../translate/clusters/generate.ts";
import { generateEndpoints } from "../translate/endpoints/generate.ts";
import {
  generateGrpcClusters,
  generateGrpcEndpoints,
  generateGrpcListeners,
  isGrpcNode,
} from "../translate/grpc/generate.ts";
import { generateGrpcRoutes } from "../translate/grpc/routes.ts";
import { generateListeners } from "../translate/listeners/generate.ts";
import { generateRoutes } from "../translate/routes/generate.ts";
import { generateSecrets } from "../translate/secrets/generate.ts";
import type { ProxyView } from "../view.ts";

/**
 * What a type's resources are, of a view. What is asked for by name is made for these names only: nothing is sent that nobody refers to.
 * Undefined names: everything that the proxy's own clusters and listeners refer to.
 */
type Generate = (view: ProxyView, names: NameSet | undefined) => readonly object[];

const generators: ReadonlyMap<ResourceType, Generate> = new Map<ResourceType, Generate>([
  [clusterType, (view) => generateClusters(view)],
  [listenerType, (view) => generateListeners(view)],
  [endpointType, (view, names) => generateEndpoints(view, new Set(names ?? assignments(view)))],
  [routeType, (view, names) => generateRoutes(view, names === undefined ? "all" : new Set(names))],
  [secretType, (view, names) => generateSecrets(view, new Set(names ?? []))],
]);

/** For clients that are no proxies: gRPC's own. */
const grpcGenerators: ReadonlyMap<ResourceType, Generate> = new Map<ResourceType, Generate>([
  [clusterType, (view) => generateGrpcClusters(view)],
  [listenerType, (view) => generateGrpcListeners(view)],
  [endpointType, (view, names) => generateGrpcEndpoints(view, new Set(names ?? []))],
  [routeType, (view, names) => generateGrpcRoutes(view, new Set(names ?? []))],
]);

export function generatorOf(type: ResourceType, { node }: ProxyView): Generate | undefined {
  return (isGrpcNode(node) ? grpcGenerators : generators).get(type);
}

/** The assignments that the proxy's clusters need. */
function assignments(view: ProxyView): readonly string[] {
  return generateClusters(view)
    .filter(({ type }) => type === "EDS")
    .map(assignmentName);
}

function assignmentName({ name = "", edsClusterConfig }: ClusterJson): string {
  return edsClusterConfig?.serviceName || name;
}

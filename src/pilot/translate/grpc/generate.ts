/**
 * What a gRPC client or server that speaks xDS itself is sent (node metadata `GENERATOR: grpc`): the same services and rules as a sidecar's, in the
 * few messages that gRPC's own libraries know (gRFC A27, A28, A36, A42), with Istio's names.
 */
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { ClusterLoadAssignmentJson } from "#gen/envoy/config/endpoint/v3/endpoint_pb.js";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import type { VirtualHostJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { ProxyNode } from "#model/node.ts";
import type { Service, ServicePort } from "#model/service.ts";
import { clusterNameOf, parseClusterName } from "../../cluster-names.ts";
import { decidedBy, rulesBehind } from "../../provenance.ts";
import type { OutboundScope, ProxyView } from "../../view.ts";
import { generateClusters } from "../clusters/generate.ts";
import { blackHoleCluster } from "../destination.ts";
import { generateEndpoints } from "../endpoints/generate.ts";
import { isHttpOrSniffed } from "../protocols.ts";
import { generateRoutes } from "../routes/generate.ts";
import { inboundListeners } from "./inbound.ts";
import { apiListener } from "./manager.ts";

export function isGrpcNode({ metadata }: ProxyNode): boolean {
  return metadata["GENERATOR"] === "grpc";
}

interface Target {
  readonly service: Service;
  readonly port: ServicePort;
  readonly cluster: string;
}

const targetsOf = new WeakMap<OutboundScope, readonly Target[]>();

/** What a client may dial. */
function targets(scope: OutboundScope): readonly Target[] {
  const known = targetsOf.get(scope);
  if (known !== undefined) return known;
  const made = scope.services.flatMap((service) =>
    service.ports
      .filter(({ protocol }) => isHttpOrSniffed(protocol))
      .map((port) => ({
        service,
        port,
        cluster: clusterNameOf(
          { hostname: service.hostname, port: port.number, subset: "" },
          "plain",
        ),
      })),
  );
  targetsOf.set(scope, made);
  return made;
}

/** One for each name that a client may dial (`xds:///reviews:9080`), and those of the servers of this node. */
export function generateGrpcListeners(view: ProxyView): readonly ListenerJson[] {
  const names = new Set<string>();
  const listeners: ListenerJson[] = [];
  for (const target of targets(view.scope)) {
    for (const name of dialled(target, view)) {
      if (names.has(name)) continue;
      names.add(name);
      listeners.push(apiListener(name, target.cluster));
    }
  }
  return [...listeners, ...inboundListeners(view)];
}

function dialled(target: Target, view: ProxyView): readonly string[] {
  const { hostname } = target.service;
  const port = `:${target.port.number}`;
  const domains = virtualHostOf(target, view)?.domains ?? [];
  const names = [
    hostname,
    ...domains.filter((domain) => !domain.includes(":") && !domain.endsWith(".")),
  ];
  return names.filter((name) => !name.includes("*")).map((name) => name + port);
}

function virtualHostOf({ service, port }: Target, view: ProxyView): VirtualHostJson | undefined {
  const name = `${service.hostname}:${port.number}`;
  // Ports whose protocol nobody says have routes of their own.
  const route = port.protocol === "auto" ? name : String(port.number);
  const [configuration] = generateRoutes(view, new Set([route]));
  return configuration?.virtualHosts?.find((host) => host.name === name);
}

const ofCluster = new WeakMap<ClusterJson, ClusterJson>();

export function generateGrpcClusters(view: ProxyView): readonly ClusterJson[] {
  const clusters = generateClusters(view).flatMap((cluster) => {
    if (parseClusterName(cluster.name ?? "")?.form !== "plain") return [];
    const known = ofCluster.get(cluster);
    if (known !== undefined) return [known];
    const made = grpcCluster(cluster);
    if (made === undefined) return [];
    ofCluster.set(cluster, made);
    return [made];
  });
  return [...clusters, blackHole];
}

/** Has no endpoints: calls of routes that gRPC cannot follow fail at once. */
const blackHole: ClusterJson = {
  name: blackHoleCluster,
  type: "EDS",
  edsClusterConfig: { edsConfig: { ads: {}, resourceApiVersion: "V3" } },
  lbPolicy: "ROUND_ROBIN",
};

/** Undefined: gRPC has no such cluster. */
function grpcCluster(cluster: ClusterJson): ClusterJson | undefined {
  const { name, circuitBreakers, outlierDetection } = cluster;
  const discovery = discoveryOf(cluster);
  if (discovery === undefined) return undefined;
  const ring = cluster.lbPolicy === "RING_HASH";
  const made: ClusterJson = {
    ...(name === undefined ? {} : { name }),
    ...discovery,
    // gRPC knows two; a sidecar's least request would be refused.
    lbPolicy: ring ? "RING_HASH" : "ROUND_ROBIN",
    ...(ring && cluster.ringHashLbConfig !== undefined
      ? { ringHashLbConfig: cluster.ringHashLbConfig }
      : {}),
    ...(circuitBreakers === undefined ? {} : { circuitBreakers }),
    ...(outlierDetection === undefined ? {} : { outlierDetection }),
  };
  return decidedBy(made, ...rulesBehind(cluster));
}

function discoveryOf({
  type,
  edsClusterConfig,
  loadAssignment,
}: ClusterJson): Pick<ClusterJson, "type" | "edsClusterConfig" | "loadAssignment"> | undefined {
  if (type === "EDS" && edsClusterConfig !== undefined) return { type, edsClusterConfig };
  // gRFC A37: a name that is looked up has one endpoint.
  const endpoints = loadAssignment?.endpoints?.flatMap(({ lbEndpoints = [] }) => lbEndpoints) ?? [];
  const byName = type === "STRICT_DNS" || type === "LOGICAL_DNS";
  if (!byName || loadAssignment === undefined || endpoints.length !== 1) return undefined;
  return { type: "LOGICAL_DNS", loadAssignment };
}

const ofAssignment = new WeakMap<ClusterLoadAssignmentJson, ClusterLoadAssignmentJson>();

/** gRPC leaves out a locality without weight (gRFC A27). */
export function generateGrpcEndpoints(
  view: ProxyView,
  names: ReadonlySet<string>,
): readonly ClusterLoadAssignmentJson[] {
  return generateEndpoints(view, names).map((assignment) => {
    const known = ofAssignment.get(assignment);
    if (known !== undefined) return known;
    const endpoints = assignment.endpoints?.map((locality) => ({
      ...locality,
      locality: locality.locality ?? {},
      loadBalancingWeight: locality.loadBalancingWeight ?? (locality.lbEndpoints?.length || 1),
    }));
    const made = { ...assignment, ...(endpoints === undefined ? {} : { endpoints }) };
    ofAssignment.set(assignment, made);
    return made;
  });
}

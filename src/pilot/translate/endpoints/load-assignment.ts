import { isIP } from "node:net";
import type { LocalityLbEndpointsJson } from "#gen/envoy/config/endpoint/v3/endpoint_components_pb.js";
import type { ClusterLoadAssignmentJson } from "#gen/envoy/config/endpoint/v3/endpoint_pb.js";
import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import type { Endpoint, Service, ServicePort } from "#model/service.ts";
import type { ClusterForm } from "../../cluster-names.ts";
import type { DestinationRule } from "../../view.ts";
import { keepsSessions, sendsUnhealthy } from "../endpoint-health.ts";
import { localityChoice } from "../locality-setting.ts";
import { policyFor } from "../traffic-policy.ts";
import { addressOf, isDraining, lbEndpointOf } from "./lb-endpoint.ts";
import { localityJson } from "./locality.ts";
import {
  arranged,
  type Caller,
  groupsOf,
  type LocalityGroup,
  type Member,
} from "./locality-groups.ts";

/** All that the endpoints of one cluster depend on. */
export interface Destination {
  readonly service: Service;
  readonly port: ServicePort;
  readonly subset: string;
  readonly form: ClusterForm;
  readonly rule: DestinationRule | undefined;
  readonly endpoints: readonly Endpoint[];
  readonly mesh: MeshConfigJson;
  readonly caller: Caller;
}

export function loadAssignment(
  clusterName: string,
  destination: Destination,
): ClusterLoadAssignmentJson {
  const groups = localityGroups(destination);
  if (groups.length === 0) return { clusterName };
  return { clusterName, endpoints: groups.map(localityEndpoints) };
}

/** The endpoints of a cluster that Envoy resolves itself: a DNS name is an address there. */
export function resolvedGroups(destination: Destination): readonly LocalityLbEndpointsJson[] {
  return localityGroups(destination, { names: true }).map(localityEndpoints);
}

function localityGroups(
  destination: Destination,
  { names = false }: { readonly names?: boolean } = {},
): readonly LocalityGroup[] {
  const { service, port, subset, rule, mesh, caller, endpoints } = destination;
  const { policy } = policyFor(rule?.spec, { port: port.number, subset });
  const wanted = filterOf(destination, sendsUnhealthy(policy));
  const members = endpoints.flatMap((endpoint): readonly Member[] => {
    if (!wanted(endpoint)) return [];
    const address = addressOf(endpoint, port.name);
    if (address === undefined) return [];
    const isAddress = address.pipe !== undefined || isIP(endpoint.address) !== 0;
    return isAddress || names ? [{ endpoint, lbEndpoint: lbEndpointOf(endpoint, address) }] : [];
  });
  return arranged(groupsOf(members), localityChoice(policy, { service, mesh }), caller);
}

function filterOf(
  { service, subset, form, rule, mesh, caller }: Destination,
  unhealthyToo: boolean,
): (endpoint: Endpoint) => boolean {
  const labels = Object.entries(
    rule?.spec.subsets?.find(({ name }) => subset !== "" && name === subset)?.labels ?? {},
  );
  const sessions = keepsSessions(service);
  const local = isClusterLocal(service, mesh);
  return (endpoint) => {
    if (!labels.every(([name, value]) => endpoint.labels[name] === value)) return false;
    if (local && endpoint.clusterId !== caller.clusterId) return false;
    // A gateway that passes TLS through cannot see whether it is mutual, so it must know that the endpoint insists.
    if (form === "sni" && endpoint.labels["security.istio.io/tlsMode"] !== "istio") return false;
    if (endpoint.health === "terminating") return false;
    if (isDraining(endpoint)) return sessions;
    return endpoint.health === "healthy" || unhealthyToo;
  };
}

/** `MeshConfig.serviceSettings`: a service that is not called across clusters. */
function isClusterLocal({ hostname }: Service, { serviceSettings = [] }: MeshConfigJson): boolean {
  const settings = serviceSettings.find(({ hosts = [] }) =>
    hosts.some((host) =>
      host.startsWith("*") ? hostname.endsWith(host.slice(1)) : host === hostname,
    ),
  );
  return settings?.settings?.clusterLocal === true;
}

function localityEndpoints({
  locality,
  members,
  weight,
  priority,
}: LocalityGroup): LocalityLbEndpointsJson {
  return {
    locality: localityJson(locality),
    lbEndpoints: members.map(({ lbEndpoint }) => lbEndpoint),
    loadBalancingWeight: weight,
    ...(priority === 0 ? {} : { priority }),
  };
}

import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import type { Endpoint, Service } from "#model/service.ts";
import type { ClusterForm } from "../../cluster-names.ts";
import type { DestinationRule, OutboundScope, ProxyView } from "../../view.ts";
import { callerKey } from "../caller-key.ts";
import { dynamicDnsCluster } from "../destination.ts";
import { discoveryType } from "../discovery-type.ts";
import { outboundTrafficPolicy } from "../outbound-traffic-policy.ts";
import { fixedClusters } from "./fixed.ts";
import { type Flavour, flavourOf } from "./flavour.ts";
import { inboundClusters } from "./inbound.ts";
import { clustersOf } from "./outbound.ts";

/**
 * All clusters of a proxy, each name once: towards others, then the fixed ones, then those of its own workload. A cluster that nothing
 * changed of is the same object as before, also from one view to the next.
 */
export function generateClusters(view: ProxyView): readonly ClusterJson[] {
  const { scope } = view;
  const flavour = flavourOf(view);
  const fixed = fixedClusters(scope.mesh, flavour);
  const outbound = outboundClusters(scope, flavour, "plain");
  if (scope.type === "router") {
    const passesTls = view.servers.some(({ servers }) =>
      servers.some(({ server }) => server.tls?.mode === "AUTO_PASSTHROUGH"),
    );
    const sni = passesTls ? outboundClusters(scope, flavour, "sni") : [];
    return [...outbound, fixed.blackHole, ...sni];
  }
  return [
    ...outbound,
    fixed.blackHole,
    fixed.passthrough,
    ...(outboundTrafficPolicy(scope).httpCluster === dynamicDnsCluster ? [fixed.anyHost] : []),
    ...inboundClusters(view),
    fixed.inboundPassthrough,
  ];
}

const ofScope = new WeakMap<OutboundScope, Map<string, readonly ClusterJson[]>>();

function outboundClusters(
  scope: OutboundScope,
  flavour: Flavour,
  form: ClusterForm,
): readonly ClusterJson[] {
  const key = `${form} ${flavour.family} ${flavour.keepsHeaderCase}`;
  const known = ofScope.get(scope) ?? new Map<string, readonly ClusterJson[]>();
  ofScope.set(scope, known);
  let clusters = known.get(key);
  if (clusters === undefined) {
    clusters = distinct(
      scope.services
        .filter((service) => form === "plain" || !service.meshExternal)
        .flatMap((service) => serviceClusters(scope, flavour, { service, form, key })),
    );
    known.set(key, clusters);
  }
  return clusters;
}

interface Entry {
  readonly rule: DestinationRule | undefined;
  readonly mesh: MeshConfigJson;
  /** Undefined: they are not in the clusters (EDS). */
  readonly endpoints: readonly Endpoint[] | undefined;
  readonly clusters: readonly ClusterJson[];
}

/** By service, with which they are forgotten; then one for each kind of proxy. */
const ofService = new WeakMap<Service, Map<string, Entry>>();

function serviceClusters(
  scope: OutboundScope,
  flavour: Flavour,
  {
    service,
    form,
    key,
  }: { readonly service: Service; readonly form: ClusterForm; readonly key: string },
): readonly ClusterJson[] {
  const { mesh } = scope;
  const rule = scope.destinationRule(service.hostname);
  const type = discoveryType(service, scope.type);
  const resolved = type === "STRICT_DNS" || type === "LOGICAL_DNS";
  const endpoints = resolved ? scope.endpoints(service) : undefined;
  const slot = `${key} ${callerKey(scope)}`;
  const entries = ofService.get(service) ?? new Map<string, Entry>();
  ofService.set(service, entries);
  const known = entries.get(slot);
  if (known?.rule === rule && known?.mesh === mesh && known.endpoints === endpoints) {
    return known.clusters;
  }
  const clusters = clustersOf({ scope, flavour, service, rule, form });
  entries.set(slot, { rule, mesh, endpoints, clusters });
  return clusters;
}

/** Services with the same host and port make the same names: the first one stays. */
function distinct(clusters: readonly ClusterJson[]): readonly ClusterJson[] {
  const names = new Set<string>();
  return clusters.filter(({ name = "" }) => !names.has(name) && names.add(name));
}

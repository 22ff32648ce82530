import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { TrafficPolicyJson } from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import { isHttp } from "#model/protocol.ts";
import type { Service, ServicePort } from "#model/service.ts";
import { type ClusterForm, clusterNameOf } from "../../cluster-names.ts";
import { decidedBy } from "../../provenance.ts";
import type { DestinationRule, OutboundScope } from "../../view.ts";
import { discoveryType } from "../discovery-type.ts";
import { isDynamic, namesItsDestination } from "../dynamic-dns.ts";
import { keepsSessions, panicThreshold } from "../endpoint-health.ts";
import { resolvedGroups } from "../endpoints/load-assignment.ts";
import { localityChoice } from "../locality-setting.ts";
import { configPath } from "../metadata.ts";
import { policyFor } from "../traffic-policy.ts";
import { writtenRules } from "../written-rules.ts";
import { applyConnectionPool, upgradesToHttp2 } from "./connection-pool.ts";
import { type ClusterDraft, draftOf, finished, setHttp2 } from "./draft.ts";
import { applyDynamicDns } from "./dynamic-dns.ts";
import type { Flavour } from "./flavour.ts";
import { applyLoadBalancer } from "./load-balancer.ts";
import { addIstioMetadata, serviceMetadata } from "./metadata.ts";
import { applyOutlierDetection } from "./outlier-detection.ts";
import { delimitedStatName, statNameOf } from "./stat-name.ts";
import { applyProxyProtocol, applyTls } from "./tls.ts";
import { applyProtocol } from "./upstream-protocol.ts";

/** All that the clusters of one service depend on. */
export interface ServiceClusters {
  readonly scope: OutboundScope;
  readonly flavour: Flavour;
  readonly service: Service;
  readonly rule: DestinationRule | undefined;
  readonly form: ClusterForm;
}

/** Port by port: the service's own cluster, then those of the rule's subsets. */
export function clustersOf(inputs: ServiceClusters): readonly ClusterJson[] {
  const { service, rule } = inputs;
  if (service.resolution === "alias") return [];
  return service.ports
    .filter((port) => port.protocol !== "UDP" && (!isDynamic(service) || namesItsDestination(port)))
    .flatMap((port) => {
      const whole = clusterOf(inputs, { port, subset: "" });
      // Without any address Envoy could not resolve a subset of them either.
      if (whole === undefined) return [];
      const subsets = (rule?.spec.subsets ?? []).flatMap(
        ({ name = "" }) => clusterOf(inputs, { port, subset: name }) ?? [],
      );
      return [whole, ...subsets];
    });
}

interface Part {
  readonly port: ServicePort;
  readonly subset: string;
}

/** Undefined: a cluster of DNS names without any name. */
function clusterOf(inputs: ServiceClusters, part: Part): ClusterJson | undefined {
  const { scope, flavour, service, rule, form } = inputs;
  const { port, subset } = part;
  const effective = policyFor(rule?.spec, { port: port.number, subset });
  const policy = withBaseline(effective.policy, scope);
  const name = clusterNameOf({ hostname: service.hostname, port: port.number, subset }, form);
  const draft = draftOf(name, discoveryType(service, scope.type));
  if (policy.loadBalancer?.simple === "PASSTHROUGH") draft.cluster.type = "ORIGINAL_DST";
  if (!applyDiscovery(draft, inputs, part)) return undefined;
  applyProtocol(draft, port.protocol, {
    isGateway: scope.type === "router",
    keepsHeaderCase: flavour.keepsHeaderCase,
  });
  applyPolicy(draft, policy, inputs, port);
  if (isDynamic(service)) {
    const insecure = policy.tls?.insecureSkipVerify === true;
    applyDynamicDns(draft, { name: service.hostname, family: flavour.family, insecure });
  }
  applyEds(draft);
  applyNames(draft, inputs, part);
  return decidedBy(finished(draft), ...writtenRules(rule, effective));
}

/** The mesh's baseline, for the blocks that no rule sets. */
function withBaseline(policy: TrafficPolicyJson, { mesh }: OutboundScope): TrafficPolicyJson {
  return mesh.defaultTrafficPolicy === undefined
    ? policy
    : { ...mesh.defaultTrafficPolicy, ...policy };
}

function applyDiscovery(draft: ClusterDraft, inputs: ServiceClusters, part: Part): boolean {
  const { cluster } = draft;
  const { scope, flavour, service, rule, form } = inputs;
  const { port, subset } = part;
  switch (cluster.type) {
    case "STRICT_DNS":
    case "LOGICAL_DNS": {
      const groups = resolvedGroups({
        ...{ service, port, subset, form, rule, mesh: scope.mesh, caller: scope },
        endpoints: scope.endpoints(service),
      });
      if (groups.length === 0) return false;
      const [first] = groups;
      // LOGICAL_DNS is one name only; its addresses take turns.
      const one =
        cluster.type === "LOGICAL_DNS" && first !== undefined
          ? [{ ...first, lbEndpoints: (first.lbEndpoints ?? []).slice(0, 1) }]
          : groups;
      cluster.loadAssignment = { clusterName: cluster.name, endpoints: [...one] };
      // Both families only where Istio's dual stack is switched on; until then the older one.
      cluster.dnsLookupFamily = flavour.family === "V6" ? "V6_ONLY" : "V4_ONLY";
      cluster.dnsRefreshRate = scope.mesh.dnsRefreshRate ?? "60s";
      cluster.dnsJitter = "0.100s";
      cluster.respectDnsTtl = true;
      return true;
    }
    case "ORIGINAL_DST":
      if (typeof port.targetPort === "number" && service.registry !== "Kubernetes") {
        cluster.originalDstLbConfig = { upstreamPortOverride: port.targetPort };
      }
      return true;
    default:
      return true;
  }
}

function applyPolicy(
  draft: ClusterDraft,
  policy: TrafficPolicyJson,
  { scope, service, rule, form }: ServiceClusters,
  port: ServicePort,
): void {
  const { mesh } = scope;
  const { http } = policy.connectionPool ?? {};
  if (upgradesToHttp2(http, { portSpeaksHttp: isHttp(port.protocol), mesh })) setHttp2(draft);
  applyConnectionPool(draft, mesh, policy);
  applyOutlierDetection(draft, policy.outlierDetection);
  applyLoadBalancer(draft, policy.loadBalancer, {
    locality: localityChoice(policy, { service, mesh }).setting,
    panicThreshold: panicThreshold(policy),
  });
  if (keepsSessions(service)) {
    draft.cluster.commonLbConfig = {
      ...draft.cluster.commonLbConfig,
      overrideHostStatus: { statuses: ["HEALTHY", "DRAINING", "UNKNOWN", "DEGRADED"] },
    };
  }
  // TLS goes through such a gateway as it came.
  if (form === "sni") return;
  applyTls(draft, policy.tls, {
    mesh,
    subjectAltNames: service.subjectAltNames,
    mayUseCredentials: scope.type !== "sidecar" || rule?.spec.workloadSelector !== undefined,
  });
  applyProxyProtocol(draft, policy.proxyProtocol);
}

function applyEds({ cluster }: ClusterDraft): void {
  if (cluster.type !== "EDS") return;
  cluster.edsClusterConfig = {
    serviceName: cluster.name,
    edsConfig: { ads: {}, initialFetchTimeout: "0s", resourceApiVersion: "V3" },
  };
}

function applyNames(
  draft: ClusterDraft,
  { scope, service, rule }: ServiceClusters,
  { port, subset }: Part,
): void {
  const pattern = scope.mesh.outboundClusterStatName ?? "";
  if (pattern !== "") {
    const values = { service, port, subset, targetPort: 0 };
    draft.cluster.altStatName = delimitedStatName(statNameOf(pattern, values));
  }
  addIstioMetadata(draft, {
    services: [serviceMetadata(service)],
    ...(rule === undefined ? {} : { config: configPath(rule) }),
    ...(subset === "" ? {} : { subset }),
    ...(service.meshExternal && subset === "" ? { external: true } : {}),
  });
}

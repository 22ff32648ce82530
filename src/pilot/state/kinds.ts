import type { DestinationRuleJson } from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import type { GatewayJson } from "#gen/istio/networking/v1alpha3/gateway_pb.js";
import type { ServiceEntryJson } from "#gen/istio/networking/v1alpha3/service_entry_pb.js";
import type { SidecarJson } from "#gen/istio/networking/v1alpha3/sidecar_pb.js";
import type { VirtualServiceJson } from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import type { WorkloadEntryJson } from "#gen/istio/networking/v1alpha3/workload_entry_pb.js";
import type { WorkloadGroupJson } from "#gen/istio/networking/v1alpha3/workload_group_pb.js";
import type { ConfigObject } from "#model/object.ts";
import type {
  EndpointSliceBody,
  EndpointsBody,
  PodSpec,
  SecretBody,
  ServiceSpec,
} from "../registries/kubernetes/objects.ts";

/** The kinds that the state of the mesh is made of, and what their `spec` is. */
export interface Specs {
  VirtualService: VirtualServiceJson;
  DestinationRule: DestinationRuleJson;
  Gateway: GatewayJson;
  ServiceEntry: ServiceEntryJson;
  WorkloadEntry: WorkloadEntryJson;
  WorkloadGroup: WorkloadGroupJson;
  Sidecar: SidecarJson;
  Service: ServiceSpec;
  EndpointSlice: EndpointSliceBody;
  Endpoints: EndpointsBody;
  Pod: PodSpec;
  Namespace: unknown;
  Node: unknown;
  Secret: SecretBody;
}

export type KindName = keyof Specs;

const networking = "networking.istio.io";

/** Kinds of other groups share names with these (Gateway API's Gateway). */
const groups: Readonly<Record<KindName, string>> = {
  VirtualService: networking,
  DestinationRule: networking,
  Gateway: networking,
  ServiceEntry: networking,
  WorkloadEntry: networking,
  WorkloadGroup: networking,
  Sidecar: networking,
  Service: "",
  EndpointSlice: "discovery.k8s.io",
  Endpoints: "",
  Pod: "",
  Namespace: "",
  Node: "",
  Secret: "",
};

export const kindNames: readonly KindName[] = Object.keys(groups).filter(isKindName);

function isKindName(name: string): name is KindName {
  return Object.hasOwn(groups, name);
}

/** Undefined: the object is of no kind that the mesh's state reads. */
export function kindOf({ apiVersion, kind }: ConfigObject): KindName | undefined {
  if (!isKindName(kind)) return undefined;
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  return group === groups[kind] ? kind : undefined;
}

/** The object when it is of the kind. */
export function asKind<K extends KindName>(
  kind: K,
  object: ConfigObject,
): ConfigObject<Specs[K]> | undefined {
  // Objects come from readers of their kinds, which checked the body against the kind's own message or shape.
  return kindOf(object) === kind ? (object as ConfigObject<Specs[K]>) : undefined;
}

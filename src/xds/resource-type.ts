/** The xDS resource types, described once for server and client. */
export interface ResourceType {
  /** As people say it: `cds`. */
  readonly name: string;
  readonly typeUrl: string;
  /** The protobuf message in an `Any`, without `type.googleapis.com/`. */
  readonly message: string;
  /** A subscription that names nothing means everything (xDS protocol, "wildcard"). */
  readonly wildcard: boolean;
  /** The field of the message that is the resource's name (ProtoJSON). */
  readonly nameField: string;
  /** SotW: a resource that an answer leaves out is gone. True of listeners, clusters and scoped routes only. */
  readonly complete: boolean;
}

function resourceType(
  name: string,
  message: string,
  flags: Partial<ResourceType> = {},
): ResourceType {
  const typeUrl = `type.googleapis.com/${message}`;
  return { name, typeUrl, message, wildcard: false, complete: false, nameField: "name", ...flags };
}

const whole = { wildcard: true, complete: true } as const;

export const clusterType: ResourceType = resourceType(
  "cds",
  "envoy.config.cluster.v3.Cluster",
  whole,
);
export const endpointType: ResourceType = resourceType(
  "eds",
  "envoy.config.endpoint.v3.ClusterLoadAssignment",
  { nameField: "clusterName" },
);
export const listenerType: ResourceType = resourceType(
  "lds",
  "envoy.config.listener.v3.Listener",
  whole,
);
export const routeType: ResourceType = resourceType(
  "rds",
  "envoy.config.route.v3.RouteConfiguration",
);
export const scopedRouteType: ResourceType = resourceType(
  "srds",
  "envoy.config.route.v3.ScopedRouteConfiguration",
  whole,
);
export const virtualHostType: ResourceType = resourceType(
  "vhds",
  "envoy.config.route.v3.VirtualHost",
  // Those of all route configurations come unasked; only single hosts are asked for by name, on demand.
  { wildcard: true },
);
export const secretType: ResourceType = resourceType(
  "sds",
  "envoy.extensions.transport_sockets.tls.v3.Secret",
);
export const extensionType: ResourceType = resourceType(
  "ecds",
  "envoy.config.core.v3.TypedExtensionConfig",
);
export const runtimeType: ResourceType = resourceType("rtds", "envoy.service.runtime.v3.Runtime");

/** In make-before-break order: what is referred to comes before what refers to it. */
export const resourceTypes: readonly ResourceType[] = [
  clusterType,
  endpointType,
  listenerType,
  routeType,
  scopedRouteType,
  virtualHostType,
  secretType,
  extensionType,
  runtimeType,
];

const byUrl = new Map(resourceTypes.map((type) => [type.typeUrl, type]));

export function resourceTypeOf(typeUrl: string): ResourceType | undefined {
  return byUrl.get(typeUrl);
}

import type { DescService } from "@bufbuild/protobuf";
import { ClusterDiscoveryService } from "#gen/envoy/service/cluster/v3/cds_pb.js";
import { EndpointDiscoveryService } from "#gen/envoy/service/endpoint/v3/eds_pb.js";
import { ExtensionConfigDiscoveryService } from "#gen/envoy/service/extension/v3/config_discovery_pb.js";
import { ListenerDiscoveryService } from "#gen/envoy/service/listener/v3/lds_pb.js";
import {
  RouteDiscoveryService,
  VirtualHostDiscoveryService,
} from "#gen/envoy/service/route/v3/rds_pb.js";
import { ScopedRoutesDiscoveryService } from "#gen/envoy/service/route/v3/srds_pb.js";
import { RuntimeDiscoveryService } from "#gen/envoy/service/runtime/v3/rtds_pb.js";
import { SecretDiscoveryService } from "#gen/envoy/service/secret/v3/sds_pb.js";
import {
  clusterType,
  endpointType,
  extensionType,
  listenerType,
  type ResourceType,
  routeType,
  runtimeType,
  scopedRouteType,
  secretType,
  virtualHostType,
} from "./resource-type.ts";

/** The service of one type, outside ADS. Its methods are `stream…`, `delta…` and `fetch…`. */
export interface TypeService {
  readonly type: ResourceType;
  readonly service: DescService;
  /** Of REST: `/v3/discovery:clusters`; undefined: the type has none. */
  readonly restName: string | undefined;
}

export const typeServices: readonly TypeService[] = [
  { type: clusterType, service: ClusterDiscoveryService, restName: "clusters" },
  { type: endpointType, service: EndpointDiscoveryService, restName: "endpoints" },
  { type: listenerType, service: ListenerDiscoveryService, restName: "listeners" },
  { type: routeType, service: RouteDiscoveryService, restName: "routes" },
  { type: scopedRouteType, service: ScopedRoutesDiscoveryService, restName: "scoped-routes" },
  { type: virtualHostType, service: VirtualHostDiscoveryService, restName: undefined },
  { type: secretType, service: SecretDiscoveryService, restName: "secrets" },
  { type: extensionType, service: ExtensionConfigDiscoveryService, restName: "extension_configs" },
  { type: runtimeType, service: RuntimeDiscoveryService, restName: "runtime" },
];

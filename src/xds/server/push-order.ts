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
} from "../resource-type.ts";

interface Order {
  /** A change of it waits until these are made: it may refer to what is new in them. */
  readonly after: readonly ResourceType[];
  /** What it removes waits until these are settled: they may refer to it. */
  readonly removedAfter: readonly ResourceType[];
}

const free: Order = { after: [], removedAfter: [] };
const routing = [routeType, scopedRouteType, virtualHostType] as const;

/**
 * Make before break. Envoy acknowledges clusters when they are warm, and for that it needs endpoints and secrets: these wait for nothing.
 */
const orders = new Map<ResourceType, Order>([
  [clusterType, { after: [], removedAfter: [listenerType, ...routing, extensionType] }],
  [endpointType, { after: [], removedAfter: [clusterType] }],
  [listenerType, { after: [clusterType, endpointType], removedAfter: [] }],
  [
    routeType,
    {
      after: [clusterType, endpointType, listenerType],
      removedAfter: [listenerType, scopedRouteType],
    },
  ],
  [
    scopedRouteType,
    { after: [clusterType, endpointType, listenerType, routeType], removedAfter: [] },
  ],
  [
    virtualHostType,
    { after: [clusterType, endpointType, listenerType, routeType], removedAfter: [routeType] },
  ],
  [secretType, { after: [], removedAfter: [clusterType, listenerType] }],
  [extensionType, { after: [clusterType, endpointType], removedAfter: [listenerType] }],
  [runtimeType, free],
]);

export function orderOf(type: ResourceType): Order {
  return orders.get(type) ?? free;
}

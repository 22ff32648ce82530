/** Overload actions and load-shed points that Heddle has, by Envoy's names. */
export const Action = {
  stopAcceptingRequests: "envoy.overload_actions.stop_accepting_requests",
  disableHttpKeepalive: "envoy.overload_actions.disable_http_keepalive",
  stopAcceptingConnections: "envoy.overload_actions.stop_accepting_connections",
  rejectIncomingConnections: "envoy.overload_actions.reject_incoming_connections",
  reduceTimeouts: "envoy.overload_actions.reduce_timeouts",
  shrinkHeap: "envoy.overload_actions.shrink_heap",
} as const;

export const ShedPoint = {
  listenerAccept: "envoy.load_shed_points.tcp_listener_accept",
  decodeHeaders: "envoy.load_shed_points.http_connection_manager_decode_headers",
  creatingCodec: "envoy.load_shed_points.hcm_ondata_creating_codec",
} as const;

export const connectionsMonitor = "envoy.resource_monitors.global_downstream_max_connections";

/** How far actions and shed points are triggered, by name. 0: not at all, 1: always; between them, for that part of what comes. */
export type OverloadLevels = Readonly<Record<string, number>>;

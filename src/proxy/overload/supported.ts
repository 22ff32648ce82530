/**
 * The fields of the bootstrap's `overload_manager` that config.ts compiles. `buffer_factory_config` is refused: it belongs to
 * reset_high_memory_stream, and memory is not accounted to streams here.
 */
export const supported = {
  "envoy.config.bootstrap.v3.Bootstrap": ["overload_manager"],
  "envoy.config.overload.v3.OverloadManager": [
    "refresh_interval",
    "resource_monitors",
    "actions",
    "loadshed_points",
  ],
  "envoy.config.overload.v3.ResourceMonitor": ["name", "typed_config"],
  "envoy.config.overload.v3.OverloadAction": ["name", "triggers", "typed_config"],
  "envoy.config.overload.v3.LoadShedPoint": ["name", "triggers"],
  "envoy.config.overload.v3.Trigger": ["name", "threshold", "scaled"],
  "envoy.config.overload.v3.ThresholdTrigger": ["value"],
  "envoy.config.overload.v3.ScaledTrigger": ["scaling_threshold", "saturation_threshold"],
  "envoy.config.overload.v3.ScaleTimersOverloadActionConfig": ["timer_scale_factors"],
  "envoy.config.overload.v3.ScaleTimersOverloadActionConfig.ScaleTimer": [
    "timer",
    "min_timeout",
    "min_scale",
  ],
  "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig": ["max_heap_size_bytes"],
  "envoy.extensions.resource_monitors.injected_resource.v3.InjectedResourceConfig": ["filename"],
  "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig": [
    "max_active_downstream_connections",
  ],
} as const;

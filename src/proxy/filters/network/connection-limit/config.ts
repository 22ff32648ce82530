import type { ConnectionLimitJson } from "#gen/envoy/extensions/filters/network/connection_limit/v3/connection_limit_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import type { NetworkFilterFactory } from "../filter.ts";
import { ConnectionLimit, type ConnectionLimitSettings } from "./connection-limit.ts";

export const factory: NetworkFilterFactory = {
  name: "envoy.filters.network.connection_limit",
  configType: "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit",
  compile(config, { services }) {
    // The loader checked it against the descriptor of this very type.
    const {
      statPrefix = "",
      maxConnections,
      delay,
      runtimeEnabled,
    } = config as ConnectionLimitJson;
    if (maxConnections === undefined) throw refuse("max_connections", "is required");
    const scope = services.stats.scope(`connection_limit.${statPrefix}.`);
    const { runtimeKey = "", defaultValue = false } = runtimeEnabled ?? {};
    const settings: ConnectionLimitSettings = {
      connectionsMax: Number(maxConnections),
      delay: services.timers.of(within("delay", () => durationMs(delay, 0))),
      enabled:
        runtimeEnabled === undefined
          ? () => true
          : () => services.runtime.boolean(runtimeKey, defaultValue),
      active: scope.gauge("active_connections"),
      limited: scope.counter("limited_connections"),
      counted: services.sharedSlots?.take() ?? new BigInt64Array(1),
    };
    return (stream) => new ConnectionLimit(settings, stream.connection);
  },
};

import type { HTTPFaultJson } from "#gen/envoy/extensions/filters/http/fault/v3/fault_pb.js";
import type { HttpFilterFactory } from "../filter.ts";
import { type FaultConfig, FaultFilter } from "./fault.ts";
import { FaultStats } from "./fault-stats.ts";
import { compileSettings } from "./settings.ts";

const type = "envoy.extensions.filters.http.fault.v3.HTTPFault";
const fillIntervalMs = 50;

// The loader checked each configuration against the descriptor of this very type.
export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.fault",
  configType: type,
  routeConfigType: type,
  compile(config, { services, scope, filterName }) {
    const counted = services.sharedSlots?.take() ?? new BigInt64Array(1);
    const shared: FaultConfig = {
      services,
      filterName,
      settings: compileSettings(config as HTTPFaultJson),
      stats: new FaultStats(scope, counted),
      interval: services.timers.of(fillIntervalMs),
    };
    return () => new FaultFilter(shared);
  },
  compileRoute: (config) => compileSettings(config as HTTPFaultJson),
};

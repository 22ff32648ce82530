import type { FilterConfigJson } from "#gen/envoy/extensions/filters/http/grpc_stats/v3/config_pb.js";
import { type GrpcMethodName, parseGrpcPath } from "#grpc/path.ts";
import type { HttpFilterFactory } from "../filter.ts";
import { GrpcStats, type GrpcStatsSettings } from "./grpc-stats.ts";

export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.grpc_stats",
  configType: "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
  compile(config, { services }) {
    // The loader checked it against the descriptor of this very type.
    const json = config as FilterConfigJson;
    const settings: GrpcStatsSettings = {
      services,
      nameOf: compileNames(json),
      emitsFilterState: json.emitFilterState ?? false,
      upstreamTime: json.enableUpstreamStats ?? false,
    };
    return () => new GrpcStats(settings);
  },
};

/** The part of the counters' names that a path decides: `service.method.`, or "" for methods that are not told apart. */
function compileNames(config: FilterConfigJson): GrpcStatsSettings["nameOf"] {
  const dots = config.replaceDotsInGrpcServiceName === true;
  const text = ({ service, method }: GrpcMethodName): string =>
    `${dots ? service.replaceAll(".", "_") : service}.${method}.`;
  if (config.statsForAllMethods === true) {
    return (path) => {
      const name = parseGrpcPath(path);
      return name === undefined ? undefined : text(name);
    };
  }
  const listed = new Map<string, string>();
  for (const { name = "", methodNames = [] } of config.individualMethodStatsAllowlist?.services ??
    [])
    for (const method of methodNames)
      listed.set(`/${name}/${method}`, text({ service: name, method }));
  return (path) => listed.get(path) ?? "";
}

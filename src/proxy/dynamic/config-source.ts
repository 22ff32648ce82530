import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { ConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import { refuse } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";

const initialFetchTimeoutDefaultMs = 15_000;

/** Throws ConfigError for a source from which nothing can come. */
export function checkConfigSource(source: ConfigSourceJson): void {
  const { ads, self, apiConfigSource: api } = source;
  if (ads !== undefined || self !== undefined) return;
  if (source.path !== undefined || source.pathConfigSource !== undefined) return;
  if (api === undefined)
    throw refuse(
      "config_source_specifier",
      "one of ads, api_config_source, path_config_source is required",
    );
  const known = ["GRPC", "DELTA_GRPC", "REST"];
  if (!known.includes(api.apiType ?? "GRPC"))
    throw refuse(
      "api_config_source.api_type",
      `${api.apiType} is not supported; use ${known.join(", ")}`,
    );
  if (api.apiType !== "REST" && (api.grpcServices ?? []).length === 0)
    throw refuse("api_config_source.grpc_services", "at least one is required");
}

/** The same for sources that one subscription serves. */
export function sourceKey(source: ConfigSourceJson): string {
  if (source.ads !== undefined || source.self !== undefined) return "ads";
  const { initialFetchTimeout: _timeout, resourceApiVersion: _version, ...from } = source;
  return JSON.stringify(from);
}

/** Undefined: it is waited for without end. */
export function initialFetchTimeoutMs({
  initialFetchTimeout,
}: ConfigSourceJson): number | undefined {
  const timeoutMs = durationMs(initialFetchTimeout, initialFetchTimeoutDefaultMs);
  return timeoutMs === 0 ? undefined : timeoutMs;
}

/** Whether any of it comes from somewhere else than the bootstrap and files. */
export function isDynamic(bootstrap: BootstrapJson): boolean {
  const { dynamicResources, staticResources, layeredRuntime } = bootstrap;
  if (dynamicResources !== undefined) return true;
  return /"(?:ads|apiConfigSource|rds|configDiscovery|scopedRoutes)":/.test(
    JSON.stringify([staticResources, layeredRuntime]),
  );
}

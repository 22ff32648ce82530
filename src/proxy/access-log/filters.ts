import type {
  AccessLogFilterJson,
  ComparisonFilterJson,
  GrpcStatusFilterJson,
  HeaderFilterJson,
  MetadataFilterJson,
  RuntimeFilterJson,
} from "#gen/envoy/config/accesslog/v3/accesslog_pb.js";
import { grpcStatusOfHttp } from "#grpc/status.ts";
import { RequestHead } from "#http/message.ts";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { compileHeaderMatcher } from "../matching/header-matcher.ts";
import { compileValueMatcher } from "../matching/metadata-matcher.ts";
import { flagNames } from "../response-flags.ts";
import { fractionOf } from "../runtime-fraction.ts";
import type { Services } from "../services.ts";
import type { Json, StreamInfo } from "../stream-info.ts";
import { grpcStatusNames, grpcStatusOf } from "./grpc-status.ts";
import { accessLogType } from "./operators-stream.ts";

/** Whether a stream's line is written (or a local reply is mapped). */
export type AccessLogPredicate = (info: StreamInfo) => boolean;

export type FilterServices = Pick<Services, "runtime" | "random">;

export function compileAccessLogFilter(
  config: AccessLogFilterJson,
  services: FilterServices,
): AccessLogPredicate {
  const names = Object.keys(config);
  const [name] = names;
  if (name === undefined || names.length > 1) throw refuse("", "exactly one filter is required");
  return within(snakeCase(name), () => compileOne(config, services));
}

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

function compileOne(config: AccessLogFilterJson, services: FilterServices): AccessLogPredicate {
  if (config.statusCodeFilter !== undefined) {
    return comparison(config.statusCodeFilter.comparison, services, (info) => info.responseCode);
  }
  if (config.durationFilter !== undefined) {
    return comparison(config.durationFilter.comparison, services, durationOf);
  }
  if (config.notHealthCheckFilter !== undefined) return (info) => !info.isHealthCheck;
  // Without a tracer no request is sampled.
  if (config.traceableFilter !== undefined) return () => false;
  if (config.runtimeFilter !== undefined) return runtimeFilter(config.runtimeFilter, services);
  if (config.andFilter !== undefined) {
    const filters = several(config.andFilter.filters, services);
    return (info) => filters.every((matches) => matches(info));
  }
  if (config.orFilter !== undefined) {
    const filters = several(config.orFilter.filters, services);
    return (info) => filters.some((matches) => matches(info));
  }
  if (config.headerFilter !== undefined) return headerFilter(config.headerFilter);
  if (config.responseFlagFilter !== undefined) return flagFilter(config.responseFlagFilter.flags);
  if (config.grpcStatusFilter !== undefined) return grpcStatusFilter(config.grpcStatusFilter);
  if (config.metadataFilter !== undefined) return metadataFilter(config.metadataFilter);
  if (config.logTypeFilter !== undefined) {
    const { types = [], exclude = false } = config.logTypeFilter;
    const wanted: ReadonlySet<string> = new Set(types.map(String));
    return (info) => wanted.has(accessLogType(info)) !== exclude;
  }
  throw refuse("", "this filter is not supported");
}

const noRequest: RequestHead = new RequestHead("", "", "", 11);

function headerFilter({ header }: HeaderFilterJson): AccessLogPredicate {
  if (header === undefined) throw refuse("header", "is required");
  const matches = within("header", () => compileHeaderMatcher(header));
  return (info) => matches(info.requestHead ?? noRequest);
}

function several(
  filters: readonly AccessLogFilterJson[] | undefined,
  services: FilterServices,
): AccessLogPredicate[] {
  if (filters === undefined || filters.length < 2)
    throw refuse("filters", "at least two are required");
  return compileEach("filters", filters, (filter) => compileAccessLogFilter(filter, services));
}

function durationOf(info: StreamInfo): number {
  return info.endMs === 0 ? 0 : Math.floor(info.endMs - info.startMs);
}

function comparison(
  config: ComparisonFilterJson | undefined,
  { runtime }: FilterServices,
  read: (info: StreamInfo) => number,
): AccessLogPredicate {
  if (config?.value === undefined) throw refuse("comparison.value", "is required");
  const { runtimeKey = "", defaultValue = 0 } = config.value;
  if (runtimeKey === "") throw refuse("comparison.value.runtime_key", "must not be empty");
  const limit = (): number => runtime.number(runtimeKey, defaultValue);
  switch (config.op) {
    case undefined:
    case "EQ":
      return (info) => read(info) === limit();
    case "GE":
      return (info) => read(info) >= limit();
    case "LE":
      return (info) => read(info) <= limit();
    case "NE":
      return (info) => read(info) !== limit();
    default:
      throw refuse("comparison.op", `unknown operator ${String(config.op)}`);
  }
}

/** The draw comes from the request id where there is one, so that all proxies on a request's way log the same requests. */
function runtimeFilter(config: RuntimeFilterJson, services: FilterServices): AccessLogPredicate {
  const { runtimeKey = "", percentSampled, useIndependentRandomness = false } = config;
  if (runtimeKey === "") throw refuse("runtime_key", "must not be empty");
  const { numerator, denominator } = fractionOf(percentSampled);
  const { runtime, random } = services;
  return (info) => {
    const draw = (useIndependentRandomness ? undefined : drawOfRequestId(info)) ?? random.unit();
    return runtime.featureEnabled(runtimeKey, numerator, denominator, draw);
  };
}

/** The first eight digits of the UUID, as a fraction. */
function drawOfRequestId(info: StreamInfo): number | undefined {
  const id = info.requestHead?.headers.get("x-request-id");
  if (id === undefined || !/^[0-9a-fA-F]{8}-/.test(id)) return undefined;
  return Number.parseInt(id.slice(0, 8), 16) / 2 ** 32;
}

function flagFilter(flags: readonly string[] | undefined): AccessLogPredicate {
  if (flags === undefined || flags.length === 0) return (info) => info.responseFlags !== 0;
  let wanted = 0;
  for (const [index, flag] of flags.entries()) {
    const bit = flagNames.findIndex(([short]) => short === flag);
    if (bit < 0) throw refuse(`flags[${index}]`, `unknown response flag ${flag}`);
    wanted |= 1 << bit;
  }
  return (info) => (info.responseFlags & wanted) !== 0;
}

function grpcStatusFilter(config: GrpcStatusFilterJson): AccessLogPredicate {
  const numbers = new Set<number>();
  for (const name of config.statuses ?? []) {
    numbers.add(grpcStatusNames.findIndex(([, snake]) => snake === name));
  }
  const exclude = config.exclude === true;
  // A stream without gRPC counts by its HTTP status.
  return (info) =>
    numbers.has(grpcStatusOf(info) ?? grpcStatusOfHttp(info.responseCode)) !== exclude;
}

/** Dynamic metadata at a path. */
function metadataFilter(config: MetadataFilterJson): AccessLogPredicate {
  const ifAbsent = config.matchIfKeyNotFound ?? true;
  const { matcher } = config;
  if (matcher === undefined) return () => ifAbsent;
  const keys = (matcher.path ?? []).map((segment) => segment.key ?? "");
  const matches = within("matcher.value", () => {
    if (matcher.value === undefined) throw refuse("", "is required");
    return compileValueMatcher(matcher.value);
  });
  const invert = matcher.invert === true;
  const namespace = matcher.filter ?? "";
  return (info) => {
    let value: Json | undefined = info.dynamicMetadata?.[namespace];
    for (const key of keys) value = fieldOf(value, key);
    return value === undefined ? ifAbsent : matches(value) !== invert;
  };
}

function fieldOf(value: Json | undefined, key: string): Json | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const entry = Object.entries(value).find(([name]) => name === key);
  return entry?.[1];
}

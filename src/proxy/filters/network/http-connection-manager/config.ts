import type { HttpConnectionManagerJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { compileLenient, type LenientParsing } from "#http/h1/fields.ts";
import { refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { compileAccessLogs } from "../../../access-log/compile.ts";
import { compileNameCase, fieldsMax } from "../../../http-options.ts";
import { compileHttp2, LazyHttp2Services } from "../../../http2-options.ts";
import type { Services } from "../../../services.ts";
import { httpFilters } from "../../http/list.ts";
import type { NetworkFilterContext, NetworkFilterFactory } from "../filter.ts";
import { compileRequestPreparation } from "./client-address.ts";
import { ConnectionManager } from "./connection-manager.ts";
import { compileEarlyMutations } from "./early-mutations.ts";
import { compileFilterChain } from "./filter-chain.ts";
import { compileLocalReply } from "./local-reply.ts";
import { ManagerStats } from "./manager-stats.ts";
import { compilePathPolicy } from "./path.ts";
import { compileProxyStatus } from "./proxy-status.ts";
import { compileRoutes } from "./routes.ts";
import type { ManagerSettings } from "./settings.ts";

export const factory: NetworkFilterFactory = {
  name: "envoy.filters.network.http_connection_manager",
  configType: "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
  terminal: true,
  compile(config, context) {
    const settings = compileManager(config as HttpConnectionManagerJson, context);
    return (stream) => new ConnectionManager(settings, stream);
  },
};

const kibibyte = 1024;
const minuteMs = 60_000;
const hourMs = 3_600_000;

export function compileManager(
  config: HttpConnectionManagerJson,
  context: NetworkFilterContext,
): ManagerSettings {
  const { services } = context;
  const prefix = config.statPrefix ?? "";
  if (config.codecType === "HTTP3") throw refuse("codec_type", "HTTP3 is not supported");
  const scope = services.stats.scope(`http.${prefix}.`);
  const stats = new ManagerStats(scope, context.listenerScope.scope(`http.${prefix}.`));
  return {
    services,
    stats,
    inbound: context.direction === "INBOUND",
    chain: compileFilterChain(config.httpFilters ?? [], httpFilters, { services, scope }),
    routes: compileRoutes(config, services),
    accessLogs: within("access_log", () => compileAccessLogs(config.accessLog, services)),
    logOptions: compileLogOptions(config, services),
    bufferLimit: context.bufferLimit,
    codecType: config.codecType ?? "AUTO",
    http1: compileHttp1(config, services),
    http2: compileHttp2Server(config, context),
    earlyMutations: compileEarlyMutations(config.earlyHeaderMutationExtensions),
    prepareRequest: compileRequestPreparation(config, services),
    makeReply: compileLocalReply(config.localReplyConfig, services),
    normalisePath: compilePathPolicy(config, services),
    setProxyStatus: compileProxyStatus(config, services),
    upgrades: compileUpgrades(config),
    ...compileNames(config),
    ...compileTimeouts(config, services),
  };
}

function compileLogOptions(
  { accessLogOptions: options }: HttpConnectionManagerJson,
  { timers }: Services,
): ManagerSettings["logOptions"] {
  return {
    atStart: options?.flushAccessLogOnNewRequest ?? false,
    interval: timers.of(durationMs(options?.accessLogFlushInterval, 0)),
  };
}

function compileHttp2Server(
  config: HttpConnectionManagerJson,
  { services, bufferLimit }: NetworkFilterContext,
): ManagerSettings["http2"] {
  const compiled = within("http2_protocol_options", () =>
    compileHttp2(config.http2ProtocolOptions, {
      common: config.commonHttpProtocolOptions,
      headersKb: config.maxRequestHeadersKb ?? 60,
      bufferLimit,
      streamErrorOnInvalidMessage: config.streamErrorOnInvalidHttpMessage ?? false,
    }),
  );
  const now = (): number => services.clock.monotonicMs();
  return { ...compiled, services: new LazyHttp2Services(services.stats, now) };
}

function compileHttp1(
  config: HttpConnectionManagerJson,
  services: Services,
): ManagerSettings["http1"] {
  const options = config.httpProtocolOptions;
  return {
    headBytesMax: (config.maxRequestHeadersKb ?? 60) * kibibyte,
    fieldsMax: fieldsMax(config.commonHttpProtocolOptions),
    lenient: lenientParsing(services),
    acceptHttp10: options?.acceptHttp10 ?? false,
    defaultHostForHttp10: options?.defaultHostForHttp10 ?? "",
    allowAbsoluteUrl: options?.allowAbsoluteUrl ?? true,
    allowChunkedLength: options?.allowChunkedLength ?? false,
    enableTrailers: options?.enableTrailers ?? false,
    nameCase: within("http_protocol_options", () => compileNameCase(options)),
  };
}

/** Envoy's lax ways, each behind a runtime key (docs/reference/differences-from-envoy.md). */
export function lenientParsing(services: Services): LenientParsing | undefined {
  return compileLenient((key) => services.runtime.boolean(`heddle.http1.lenient.${key}`, false));
}

function compileUpgrades(config: HttpConnectionManagerJson): ReadonlyMap<string, boolean> {
  const upgrades = new Map<string, boolean>();
  for (const [index, upgrade] of (config.upgradeConfigs ?? []).entries()) {
    if (upgrade.filters !== undefined && upgrade.filters.length > 0)
      throw refuse(
        `upgrade_configs[${index}].filters`,
        "a filter chain of its own is not supported yet",
      );
    const type = (upgrade.upgradeType ?? "").toLowerCase();
    if (upgrades.has(type))
      throw refuse(
        `upgrade_configs[${index}]`,
        `Error: multiple upgrade configs with the same name: '${type}'`,
      );
    upgrades.set(type, upgrade.enabled ?? true);
  }
  return upgrades;
}

function compileNames(
  config: HttpConnectionManagerJson,
): Pick<
  ManagerSettings,
  | "serverName"
  | "serverTransformation"
  | "via"
  | "proxy100Continue"
  | "requestIdInResponse"
  | "underscores"
  | "stripPort"
  | "stripTrailingDot"
  | "keepOnInvalid"
  | "maxRequestsPerConnection"
> {
  if (config.stripAnyHostPort === true && config.stripMatchingHostPort === true)
    throw refuse(
      "strip_any_host_port",
      "strip_any_host_port and strip_matching_host_port exclude each other",
    );
  return {
    serverName:
      config.serverName === undefined || config.serverName === "" ? "envoy" : config.serverName,
    serverTransformation: config.serverHeaderTransformation ?? "OVERWRITE",
    via: config.via ?? "",
    proxy100Continue: config.proxy100Continue ?? false,
    requestIdInResponse: config.alwaysSetRequestIdInResponse ?? false,
    underscores: config.commonHttpProtocolOptions?.headersWithUnderscoresAction ?? "ALLOW",
    stripPort:
      config.stripAnyHostPort === true
        ? "any"
        : config.stripMatchingHostPort === true
          ? "matching"
          : "never",
    stripTrailingDot: config.stripTrailingHostDot ?? false,
    keepOnInvalid:
      config.httpProtocolOptions?.overrideStreamErrorOnInvalidHttpMessage ??
      config.streamErrorOnInvalidHttpMessage ??
      false,
    maxRequestsPerConnection: config.commonHttpProtocolOptions?.maxRequestsPerConnection ?? 0,
  };
}

function compileTimeouts(
  config: HttpConnectionManagerJson,
  services: Services,
): Pick<
  ManagerSettings,
  | "streamIdle"
  | "streamIdleTimers"
  | "streamFlush"
  | "requestTimeout"
  | "requestHeadersTimeout"
  | "maxStreamDuration"
  | "idleTimeout"
  | "maxConnectionDuration"
  | "http1SafeDuration"
  | "delayedClose"
  | "drainTimeout"
> {
  const { timers, overload } = services;
  const common = config.commonHttpProtocolOptions;
  const streamIdleMs = durationMs(config.streamIdleTimeout, 5 * minuteMs);
  const streamIdleTimers = overload.timers("HTTP_DOWNSTREAM_STREAM_IDLE");
  return {
    streamIdle: streamIdleTimers.of(streamIdleMs),
    streamIdleTimers,
    streamFlush: overload.timers("HTTP_DOWNSTREAM_STREAM_FLUSH").of(streamIdleMs),
    requestTimeout: timers.of(durationMs(config.requestTimeout, 0)),
    requestHeadersTimeout: timers.of(durationMs(config.requestHeadersTimeout, 0)),
    maxStreamDuration: timers.of(durationMs(common?.maxStreamDuration, 0)),
    idleTimeout: overload
      .timers("HTTP_DOWNSTREAM_CONNECTION_IDLE")
      .of(durationMs(common?.idleTimeout, hourMs)),
    http1SafeDuration: config.http1SafeMaxConnectionDuration ?? false,
    maxConnectionDuration: overload
      .timers("HTTP_DOWNSTREAM_CONNECTION_MAX")
      .of(durationMs(common?.maxConnectionDuration, 0)),
    delayedClose: timers.of(durationMs(config.delayedCloseTimeout, 1000)),
    drainTimeout: timers.of(durationMs(config.drainTimeout, 5000)),
  };
}

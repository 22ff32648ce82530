import type {
  DirectResponseActionJson,
  RouteActionJson,
  RouteJson,
  WeightedCluster_ClusterWeightJson,
} from "#gen/envoy/config/route/v3/route_components_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { Word64 } from "#lib/word64.ts";
import { compileSubstitutionFormatString, dataSourceText } from "../access-log/formatter.ts";
import { compileMetadataMatch } from "../balancer/metadata-match.ts";
import { compileRateLimits, type RouteRateLimits } from "../rate-limit/rate-limits.ts";
import type { Metadata } from "../stream-info.ts";
import type { Surroundings } from "./compile.ts";
import { compileFilterConfigs, FilterConfigStack, type FilterConfigs } from "./filter-configs.ts";
import { compileHashPolicy } from "./hash-policy.ts";
import { combineLevels, compileLevel, type LevelChanges } from "./header-changes.ts";
import { compileInternalRedirect } from "./internal-redirect.ts";
import type { PathSpecifier } from "./match.ts";
import { compileMirrors } from "./mirror-policy.ts";
import { compileLocation, redirectStatus } from "./redirect.ts";
import { compileTally } from "./request-stats.ts";
import { compileHedging, compileRetryPolicy } from "./retry-policy.ts";
import { compileRewrite } from "./rewrite.ts";
import type {
  DirectAction,
  ForwardAction,
  GrpcTimeout,
  Route,
  RouteCommon,
  RouteInput,
  StreamDuration,
} from "./route.ts";

/** The route for one request: the same object each time unless a header or a weight decides. */
export type RouteMaker = (input: RouteInput) => Route;

const directBodyMax = 4096;

export function compileAction(
  config: RouteJson,
  specifier: PathSpecifier,
  around: Surroundings,
): RouteMaker {
  const changes = compileLevel(config);
  const filterConfigs = compileFilterConfigs(
    config.typedPerFilterConfig,
    around.context,
    config.route?.cors,
  );
  const common = (inner?: { changes: LevelChanges; filterConfigs: FilterConfigs }): RouteCommon =>
    commonOf(config, around, { changes, filterConfigs, inner });
  if (config.route !== undefined) {
    const action = config.route;
    return within("route", () => compileForward(action, { config, specifier, around, common }));
  }
  if (config.redirect !== undefined) {
    const { redirect } = config;
    const route: Route = {
      ...common(),
      kind: "redirect",
      status: redirectStatus(redirect),
      location: within("redirect", () => compileLocation(redirect, specifier)),
    };
    return () => route;
  }
  if (config.directResponse !== undefined) {
    const direct = config.directResponse;
    const route: Route = {
      ...common(),
      ...within("direct_response", () => compileDirect(direct, around)),
    };
    return () => route;
  }
  if (config.filterAction === undefined && config.nonForwardingAction === undefined)
    throw refuse(
      "action",
      "a route needs one of route, redirect, direct_response, filter_action or non_forwarding_action",
    );
  const route: Route = { ...common(), kind: "none" };
  return () => route;
}

function compileDirect(
  config: DirectResponseActionJson,
  around: Surroundings,
): Omit<DirectAction, keyof RouteCommon> {
  const { status, body, bodyFormat } = config;
  const text = body === undefined ? undefined : within("body", () => dataSourceText(body));
  const max = around.configuration.maxDirectResponseBodySizeBytes ?? directBodyMax;
  if (text !== undefined && Buffer.byteLength(text) > max)
    throw refuse(
      "body",
      `response body size is ${Buffer.byteLength(text)} bytes; maximum is ${max}`,
    );
  return {
    kind: "direct",
    status: status ?? 200,
    body: text,
    bodyFormat:
      bodyFormat === undefined
        ? undefined
        : within("body_format", () => compileSubstitutionFormatString(bodyFormat)),
  };
}

/** Weighted cluster, route, virtual host, configuration: the order in which header changes apply, or its reverse. */
function commonOf(
  config: RouteJson,
  around: Surroundings,
  own: {
    readonly changes: LevelChanges;
    readonly filterConfigs: FilterConfigs;
    readonly inner: { changes: LevelChanges; filterConfigs: FilterConfigs } | undefined;
  },
): RouteCommon {
  const { inner } = own;
  const outer = [own.changes, around.virtualHostChanges, around.configurationChanges];
  if (around.configuration.mostSpecificHeaderMutationsWins === true) outer.reverse();
  // A weighted cluster's changes come first in both orders, as in Envoy.
  const levels = inner === undefined ? outer : [inner.changes, ...outer];
  const stack = new FilterConfigStack([
    ...around.outerFilterConfigs,
    own.filterConfigs,
    ...(inner === undefined ? [] : [inner.filterConfigs]),
  ]);
  return {
    name: config.name ?? "",
    virtualHostName: around.virtualHost.name ?? "",
    metadata: config.metadata?.filterMetadata as Metadata | undefined,
    virtualHostMetadata: around.virtualHost.metadata?.filterMetadata as Metadata | undefined,
    headers: combineLevels(levels),
    filterConfigs: (name) => stack.configs(name),
    filterDisabled: (name) => stack.disabled(name),
    hasFilterConfigs: stack.any,
  };
}

interface ForwardParts {
  readonly config: RouteJson;
  readonly specifier: PathSpecifier;
  readonly around: Surroundings;
  readonly common: (inner?: { changes: LevelChanges; filterConfigs: FilterConfigs }) => RouteCommon;
}

function compileForward(action: RouteActionJson, parts: ForwardParts): RouteMaker {
  const { around } = parts;
  if (action.weightedClusters !== undefined) return compileWeighted(action, parts);
  const base = forwardBase(action, parts, undefined);
  if (action.clusterHeader !== undefined && action.clusterHeader !== "") {
    const name = action.clusterHeader.toLowerCase();
    const common = parts.common();
    return ({ head }) => ({ ...common, ...base, clusterName: head.get(name) ?? "" });
  }
  if (action.cluster === undefined)
    throw refuse("cluster_specifier", "cluster, cluster_header or weighted_clusters is required");
  checkCluster(action.cluster, around);
  const route: Route = { ...parts.common(), ...base, clusterName: action.cluster };
  return () => route;
}

function checkCluster(name: string, around: Surroundings): void {
  if (around.configuration.validateClusters === false) return;
  if (!around.context.services.clusters.declares(name))
    throw refuse("cluster", `route: unknown cluster '${name}'`);
}

function compileWeighted(action: RouteActionJson, parts: ForwardParts): RouteMaker {
  const config = action.weightedClusters ?? {};
  const entries = compileEach("weighted_clusters.clusters", config.clusters, (entry) =>
    compileWeightedEntry(action, entry, parts),
  );
  const total = entries.reduce((sum, entry) => sum + entry.weight, 0);
  if (total === 0)
    throw refuse(
      "weighted_clusters",
      "Sum of weights in the weighted_cluster must be greater than 0.",
    );
  const headerName =
    config.headerName === undefined || config.headerName === ""
      ? undefined
      : config.headerName.toLowerCase();
  const { runtime } = parts.around.context.services;
  const runtimePrefix = config.runtimeKeyPrefix;
  const weightOf =
    runtimePrefix === undefined || runtimePrefix === ""
      ? (entry: WeightedEntry): number => entry.weight
      : (entry: WeightedEntry): number =>
          runtime.number(`${runtimePrefix}.${entry.name}`, entry.weight);
  const hashPolicy =
    config.useHashPolicy === true ? compileHashPolicy(action.hashPolicy) : undefined;
  return (input) => {
    let left = input.draw * total;
    if (hashPolicy?.(hash, input.head, input.info) === true) left = hash.modulo(total);
    const named = headerName === undefined ? undefined : input.head.get(headerName);
    if (named !== undefined && /^\d+$/.test(named)) left = Number(named) % total;
    for (const entry of entries) {
      left -= weightOf(entry);
      if (left < 0) return entry.make(input);
    }
    return (entries[entries.length - 1] as WeightedEntry).make(input);
  };
}

// Scratch, of use only within one draw.
const hash = new Word64();

interface WeightedEntry {
  readonly name: string;
  readonly weight: number;
  readonly make: RouteMaker;
}

function compileWeightedEntry(
  action: RouteActionJson,
  entry: WeightedCluster_ClusterWeightJson,
  parts: ForwardParts,
): WeightedEntry {
  const inner = {
    changes: compileLevel(entry),
    filterConfigs: compileFilterConfigs(entry.typedPerFilterConfig, parts.around.context),
  };
  const base = forwardBase(action, parts, entry);
  const common = parts.common(inner);
  const weight = entry.weight ?? 0;
  const header = entry.clusterHeader;
  if (header !== undefined && header !== "") {
    const name = header.toLowerCase();
    return {
      name: "",
      weight,
      make: ({ head }) => ({ ...common, ...base, clusterName: head.get(name) ?? "" }),
    };
  }
  const name = entry.name ?? "";
  if (name === "") throw refuse("name", "At least one of name or cluster_header must be specified");
  checkCluster(name, parts.around);
  const route: Route = { ...common, ...base, clusterName: name };
  return { name, weight, make: () => route };
}

const notFoundStatus: Readonly<Record<string, number>> = {
  SERVICE_UNAVAILABLE: 503,
  NOT_FOUND: 404,
  INTERNAL_SERVER_ERROR: 500,
};
const defaultTimeoutMs = 15_000;

type ForwardBase = Omit<ForwardAction, keyof RouteCommon | "clusterName">;

function forwardBase(
  action: RouteActionJson,
  parts: ForwardParts,
  weighted: WeightedCluster_ClusterWeightJson | undefined,
): ForwardBase {
  const { config, around } = parts;
  const limit = config.requestBodyBufferLimit ?? around.virtualHost.requestBodyBufferLimit;
  const rewrite = compileRewrite(action, parts.specifier, weighted?.hostRewriteLiteral);
  return {
    kind: "forward",
    clusterNotFoundStatus:
      notFoundStatus[String(action.clusterNotFoundResponseCode ?? "SERVICE_UNAVAILABLE")] ?? 503,
    timeoutMs:
      action.maxStreamDuration === undefined
        ? within("timeout", () => durationMs(action.timeout, defaultTimeoutMs))
        : 0,
    idleTimeoutMs:
      action.idleTimeout === undefined
        ? undefined
        : within("idle_timeout", () => durationMs(action.idleTimeout, 0)),
    streamDuration: within("max_stream_duration", () => compileDuration(action)),
    grpcTimeout: compileGrpcTimeout(action),
    priority: action.priority === "HIGH" ? "HIGH" : "DEFAULT",
    requestBodyBufferLimit: limit === undefined ? undefined : Number(limit),
    perRequestBufferLimit:
      config.perRequestBufferLimitBytes ?? around.virtualHost.perRequestBufferLimitBytes,
    rewrite,
    autoHostRewrite: action.autoHostRewrite === true,
    appendXForwardedHost: action.appendXForwardedHost === true,
    includeAttemptCountRequest: around.virtualHost.includeRequestAttemptCount === true,
    includeAttemptCountResponse: around.virtualHost.includeAttemptCountInResponse === true,
    upgradeEnabled: compileUpgrades(action),
    connectTerminate: (action.upgradeConfigs ?? []).some(
      (upgrade) => upgrade.connectConfig !== undefined,
    ),
    internalRedirect: compileInternalRedirect(action),
    retryPolicy:
      action.retryPolicy === undefined
        ? around.virtualHostRetryPolicy
        : within("retry_policy", () => compileRetryPolicy(action.retryPolicy)),
    hedgeOnPerTryTimeout: compileHedging(action.hedgePolicy ?? around.virtualHost.hedgePolicy),
    includeIsTimeoutRetry: around.virtualHost.includeIsTimeoutRetryHeader === true,
    mirrors:
      action.requestMirrorPolicies === undefined
        ? around.virtualHostMirrors
        : compileMirrors(action.requestMirrorPolicies, {
            services: around.context.services,
            validateClusters: around.configuration.validateClusters !== false,
          }),
    hashPolicy: compileHashPolicy(action.hashPolicy),
    metadataMatch: compileMetadataMatch(action.metadataMatch, weighted?.metadataMatch),
    tally: compileTally(around.virtualClusters, config.statPrefix),
    rateLimits: compileLimits(action, around),
  };
}

function compileLimits(action: RouteActionJson, around: Surroundings): RouteRateLimits | undefined {
  const { cluster } = around.context.services.node;
  const route = compileRateLimits("rate_limits", action.rateLimits, cluster);
  const { virtualHostRateLimits: virtualHost } = around;
  if (route.length === 0 && virtualHost.length === 0) return undefined;
  return { route, virtualHost, includeVirtualHost: action.includeVhRateLimits === true };
}

function compileDuration({ maxStreamDuration }: RouteActionJson): StreamDuration | undefined {
  if (maxStreamDuration === undefined) return undefined;
  const {
    maxStreamDuration: max,
    grpcTimeoutHeaderMax,
    grpcTimeoutHeaderOffset,
  } = maxStreamDuration;
  return {
    maxMs: max === undefined ? undefined : durationMs(max, 0),
    headerMaxMs:
      grpcTimeoutHeaderMax === undefined ? undefined : durationMs(grpcTimeoutHeaderMax, 0),
    headerOffsetMs: durationMs(grpcTimeoutHeaderOffset, 0),
  };
}

function compileGrpcTimeout(action: RouteActionJson): GrpcTimeout | undefined {
  if (action.maxGrpcTimeout === undefined || action.maxStreamDuration !== undefined)
    return undefined;
  return {
    maxMs: within("max_grpc_timeout", () => durationMs(action.maxGrpcTimeout, 0)),
    offsetMs: within("grpc_timeout_offset", () => durationMs(action.grpcTimeoutOffset, 0)),
  };
}

function compileUpgrades(action: RouteActionJson): (type: string) => boolean | undefined {
  const upgrades = new Map<string, boolean>();
  for (const upgrade of action.upgradeConfigs ?? [])
    upgrades.set((upgrade.upgradeType ?? "").toLowerCase(), upgrade.enabled ?? true);
  return (type) => upgrades.get(type);
}

/** The xDS client: sources of resources, made from the messages that configure them. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fromJson } from "@bufbuild/protobuf";
import type { SupportedFields } from "#config/check.ts";
import { type NodeJson, NodeSchema } from "#gen/envoy/config/core/v3/base_pb.js";
import type {
  ApiConfigSourceJson,
  ConfigSourceJson,
  PathConfigSourceJson,
} from "#gen/envoy/config/core/v3/config_source_pb.js";
import type { GrpcServiceJson } from "#gen/envoy/config/core/v3/grpc_service_pb.js";
import type { SemanticVersionJson } from "#gen/envoy/type/v3/semantic_version_pb.js";
import { registry } from "#gen/registry.js";
import { HeaderList } from "#http/headers.ts";
import type { BackoffOptions } from "#lib/backoff.ts";
import type { Clock } from "#lib/clock.ts";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import type { Random } from "#lib/random.ts";
import type { DecodeOptions } from "./client/any-resource.ts";
import { ControlPlaneStats } from "./client/control-plane-stats.ts";
import { FileSource } from "./client/file-source.ts";
import { GrpcSource, type GrpcSourceOptions } from "./client/grpc-source.ts";
import type { NodeOptions } from "./client/protocol.ts";
import { RestSource, type RestSourceOptions } from "./client/rest-source.ts";
import { methodsOf, restPathOf } from "./client/services.ts";
import type { XdsServer } from "./client/stream.ts";
import type { TextSourceServices } from "./client/text-source.ts";
import type { ResourceType } from "./resource-type.ts";
import type { Log, ResourceClient } from "./subscriber.ts";
import type { XdsStatsScope } from "./subscription-stats.ts";

/** How a management server is reached: what a cluster of the bootstrap says. */
export type ClusterConnection = Pick<
  XdsServer,
  "connect" | "scheme" | "connectTimeoutMs" | "keepalive"
> & {
  /** Of requests, where the GrpcService names none; Envoy takes the cluster's name. */
  readonly authority?: string;
};

export interface XdsClientServices {
  /** As the bootstrap has it; who is asking is added here. */
  readonly node: NodeJson;
  /** Of this Heddle, for the node. */
  readonly version: string;
  /** The bootstrap's cluster of that name, spoken to in the protocol; undefined: there is none. */
  readonly cluster: (name: string, protocol: "h2" | "http/1.1") => ClusterConnection | undefined;
  /** Fields that a resource may have; undefined: all. */
  readonly supported: SupportedFields | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** For `control_plane.…`. */
  readonly stats?: XdsStatsScope;
  /** Resources with fields that are newer than this Heddle are refused; by default the fields are ignored, as by Envoy. */
  readonly rejectUnknownFields?: boolean;
  /** So many were ignored. */
  readonly onUnknownFields?: (count: number) => void;
  /** What is known of a type has changed. */
  readonly onChange?: (type: ResourceType) => void;
  /**
   * A folder for the last good resources of gRPC sources, a file each, from which a proxy starts while its control plane is away. Secrets are
   * not among them.
   */
  readonly saveFolder?: string;
}

/**
 * Of the features that servers know from gRPC's clients the one that is true here too (Envoy names none, and has it): a SotW answer may wrap its
 * resources, for a TTL of their own. Whether a server sends TTLs depends on it.
 */
const clientFeatures = ["xds.config.resource-in-sotw"];

/** `dynamic_resources.ads_config`: one stream for all types. */
export function openAds(config: ApiConfigSourceJson, services: XdsClientServices): ResourceClient {
  return new GrpcSource(grpcOptions(config, undefined, services));
}

/**
 * Where resources of one type come from; undefined for `ads` (the one ADS stream of the process) and `self` (where the message itself came
 * from), which only the caller has.
 */
export function openConfigSource(
  type: ResourceType,
  config: ConfigSourceJson,
  services: XdsClientServices,
): ResourceClient | undefined {
  const { apiConfigSource, pathConfigSource, path } = config;
  if (apiConfigSource !== undefined) {
    return within("api_config_source", () => openApi(type, apiConfigSource, services));
  }
  if (pathConfigSource !== undefined) return openFile(type, pathConfigSource, services);
  return path === undefined ? undefined : openFile(type, { path }, services);
}

/** `api_config_source`: one type on a stream of its own, or asked for by REST. */
export function openApi(
  type: ResourceType,
  config: ApiConfigSourceJson,
  services: XdsClientServices,
): ResourceClient {
  return config.apiType === "REST"
    ? new RestSource(restOptions(type, config, services))
    : new GrpcSource(grpcOptions(config, type, services));
}

/** `path_config_source` */
export function openFile(
  type: ResourceType,
  { path = "", watchedDirectory }: PathConfigSourceJson,
  services: XdsClientServices,
): ResourceClient {
  return new FileSource({
    ...textServices(type, services),
    path,
    watchedDirectory: watchedDirectory?.path,
  });
}

function textServices(type: ResourceType, services: XdsClientServices): TextSourceServices {
  const { clock, log, onUnknownFields, onChange } = services;
  return { type, decode: decodeOptions(services), clock, log, onUnknownFields, onChange };
}

function restOptions(
  type: ResourceType,
  config: ApiConfigSourceJson,
  services: XdsClientServices,
): RestSourceOptions {
  const { clusterNames = [], refreshDelay, requestTimeout } = config;
  const [clusterName, ...others] = clusterNames;
  if (clusterName === undefined || others.length > 0) {
    throw refuse("cluster_names", "REST is asked of one cluster");
  }
  const connection = services.cluster(clusterName, "http/1.1");
  if (connection === undefined) {
    throw refuse("cluster_names[0]", `there is no static cluster '${clusterName}'`);
  }
  const path = restPathOf(type);
  if (path === undefined) throw refuse("api_type", `there is no REST of ${type.name}`);
  if (refreshDelay === undefined) throw refuse("refresh_delay", "value is required");
  const { connect, authority = clusterName } = connection;
  return {
    ...textServices(type, services),
    server: { name: clusterName, connect, authority },
    path,
    refreshMs: within("refresh_delay", () => durationMs(refreshDelay)),
    timeoutMs: within("request_timeout", () => durationMs(requestTimeout, requestTimeoutMs)),
    nodeOptions: nodeOptions(config, services),
    random: services.random,
  };
}

const requestTimeoutMs = 1000;

function grpcOptions(
  config: ApiConfigSourceJson,
  type: ResourceType | undefined,
  services: XdsClientServices,
): GrpcSourceOptions {
  const { clock, random, log, stats, onUnknownFields, onChange } = services;
  return {
    servers: serversOf(config, services),
    type,
    delta: isDelta(config, type),
    nodeOptions: nodeOptions(config, services),
    backoff: backoffOf(config),
    rateLimit: rateLimitOf(config),
    decode: decodeOptions(services),
    clock,
    random,
    log,
    stats: stats && new ControlPlaneStats(stats),
    onUnknownFields,
    onChange,
    savePath: savePath(config, type, services),
  };
}

/** Sources that are configured in the same way bring the same; each has a file of its own. */
function savePath(
  config: ApiConfigSourceJson,
  type: ResourceType | undefined,
  { saveFolder }: XdsClientServices,
): string | undefined {
  if (saveFolder === undefined) return undefined;
  const hash = createHash("sha256").update(JSON.stringify(config)).digest("hex");
  return join(saveFolder, `${type?.name ?? "ads"}-${hash.slice(0, 8)}.saved`);
}

function isDelta({ apiType }: ApiConfigSourceJson, type: ResourceType | undefined): boolean {
  if (apiType !== "GRPC" && apiType !== "DELTA_GRPC") {
    throw refuse("api_type", `${apiType ?? "none"} is not supported here: GRPC or DELTA_GRPC`);
  }
  const delta = apiType === "DELTA_GRPC";
  const { sotw, delta: incremental } = methodsOf(type);
  if ((delta ? incremental : sotw) === undefined) {
    throw refuse("api_type", `there is no ${apiType} of ${type?.name}`);
  }
  return delta;
}

function serversOf(
  { grpcServices }: ApiConfigSourceJson,
  services: XdsClientServices,
): GrpcSourceOptions["servers"] {
  const servers = compileEach("grpc_services", grpcServices, (service) =>
    serverOf(service, services),
  );
  const [first, ...others] = servers;
  if (first === undefined) throw refuse("grpc_services", "at least one is required");
  return [first, ...others];
}

function serverOf(service: GrpcServiceJson, services: XdsClientServices): XdsServer {
  const { envoyGrpc, initialMetadata } = service;
  if (envoyGrpc === undefined) throw refuse("google_grpc", "is not supported: use envoy_grpc");
  const { clusterName = "", authority } = envoyGrpc;
  const connection = services.cluster(clusterName, "h2");
  if (connection === undefined) {
    throw refuse("envoy_grpc.cluster_name", `there is no static cluster '${clusterName}'`);
  }
  const metadata = new HeaderList();
  for (const { key = "", value = "" } of initialMetadata ?? []) metadata.add(key, value);
  return {
    ...connection,
    name: clusterName,
    authority: authority ?? connection.authority ?? clusterName,
    metadata,
  };
}

function nodeOptions(
  { setNodeOnFirstMessageOnly = false }: ApiConfigSourceJson,
  { node, version }: XdsClientServices,
): NodeOptions {
  const asking = {
    userAgentName: "heddle",
    userAgentBuildVersion: { version: semanticVersion(version) },
    ...node,
    clientFeatures: [...new Set([...(node.clientFeatures ?? []), ...clientFeatures])],
  };
  return {
    node: fromJson(NodeSchema, asking, { registry }),
    nodeOnFirstMessageOnly: setNodeOnFirstMessageOnly,
  };
}

function semanticVersion(version: string): SemanticVersionJson {
  const [majorNumber = 0, minorNumber = 0, patch = 0] = version.split(/[.+-]/).map(Number);
  return { majorNumber, minorNumber, patch };
}

function decodeOptions({ supported, rejectUnknownFields }: XdsClientServices): DecodeOptions {
  return { registry, supported, rejectUnknown: rejectUnknownFields === true };
}

const baseMs = 500;
const maxMs = 30_000;

/**
 * Envoy waits for a random part of an interval that doubles; lib's back-off spreads a wait evenly around its middle, which is the same when the
 * middle is half of the interval and the spread all of it.
 */
function backoffOf({ grpcServices }: ApiConfigSourceJson): BackoffOptions {
  const { envoyGrpc, retryPolicy } = grpcServices?.[0] ?? {};
  const { baseInterval, maxInterval } = (envoyGrpc?.retryPolicy ?? retryPolicy)?.retryBackOff ?? {};
  const base = within("grpc_services[0].retry_policy", () => durationMs(baseInterval, baseMs));
  const longest = baseInterval === undefined ? maxMs : base * 10;
  const max = within("grpc_services[0].retry_policy", () => durationMs(maxInterval, longest));
  if (max < base)
    throw refuse("grpc_services[0].retry_policy", "max_interval is below base_interval");
  return { initialMs: base / 2, maxMs: max / 2, multiplier: 2, jitter: 1 };
}

function rateLimitOf({ rateLimitSettings }: ApiConfigSourceJson): GrpcSourceOptions["rateLimit"] {
  if (rateLimitSettings === undefined) return undefined;
  const { maxTokens = 100, fillRate = 10 } = rateLimitSettings;
  return { tokensMax: Number(maxTokens), tokensPerSecond: Number(fillRate) };
}

/** Control planes and files, connected. Loads the messages of protobuf: only for a proxy that is told things while it runs. */
import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { ConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { systemRandom } from "#lib/random.ts";
import { openAds, openConfigSource, type XdsClientServices } from "#xds/client.ts";
import { listenerType, type ResourceType } from "#xds/resource-type.ts";
import type { ResourceClient } from "#xds/subscriber.ts";
import { supportedFields } from "../config/supported.ts";
import type { NodeInfo } from "../services.ts";
import { sourceKey } from "./config-source.ts";
import { type ManagementContext, managementCluster } from "./management-server.ts";
import type { Sources } from "./sources.ts";

export interface ConnectContext extends ManagementContext {
  /** Of this Heddle, for the node. */
  readonly version: string;
  /** The command line may say another one than the bootstrap. */
  readonly node: NodeInfo;
  readonly unknownFields: "count" | "ignore" | "reject";
  /** A folder for the last good resources; undefined: they are not kept. */
  readonly savePath: string | undefined;
}

/** Throws ConfigError when a source of the bootstrap cannot be. */
export function connectSources(bootstrap: BootstrapJson, context: ConnectContext): Sources {
  const { clock, stats, log, version, node, unknownFields, savePath } = context;
  const unknown = stats.counter("server.dynamic_unknown_fields");
  const services: XdsClientServices = {
    node: {
      ...bootstrap.node,
      id: node.id,
      cluster: node.cluster,
      ...(node.locality === undefined ? {} : { locality: node.locality }),
    },
    version,
    cluster: (name, offer) => managementCluster(bootstrap, { name, offer }, context),
    supported: supportedFields,
    clock,
    random: systemRandom,
    log: (level, message) => log(level, message),
    rejectUnknownFields: unknownFields === "reject",
    ...(unknownFields === "count" ? { onUnknownFields: (count) => unknown.add(count) } : {}),
    ...(savePath === undefined ? {} : { saveFolder: savePath }),
  };
  const { saveFolder: _folder, ...unrecorded } = services;
  let started = false;
  const opened = new Map<string, ResourceClient>();
  const open = (key: string, make: () => ResourceClient): ResourceClient => {
    const known = opened.get(key);
    if (known !== undefined) return known;
    const source = make();
    opened.set(key, source);
    if (started) source.start();
    return source;
  };
  const ads = bootstrap.dynamicResources?.adsConfig;
  if (ads !== undefined)
    within("dynamic_resources.ads_config", () =>
      open("ads", () => openAds(ads, { ...services, stats })),
    );
  return {
    of: (source, type) => {
      const key = sourceKey(source);
      if (key === "ads") return open(key, () => noAds());
      return open(`${key} ${type.name}`, () =>
        openSource(source, type, { ...services, stats: stats.scope(prefixOf(type)) }),
      );
    },
    check: (source, type) => {
      const key = sourceKey(source);
      if (key === "ads") {
        if (!opened.has(key)) noAds();
      } else if (source.apiConfigSource !== undefined && !opened.has(`${key} ${type.name}`))
        // Of no consequence: it counts nothing, keeps nothing and is never started.
        openSource(source, type, unrecorded).close();
    },
    start: () => {
      started = true;
      for (const source of opened.values()) source.start();
    },
    close: () => {
      for (const source of opened.values()) source.close();
    },
  };
}

/** Where Envoy has `control_plane.…` of a stream for one type. */
function prefixOf(type: ResourceType): string {
  return type === listenerType ? "listener_manager.lds." : `cluster_manager.${type.name}.`;
}

function noAds(): never {
  throw refuse(
    "ads",
    "ADS must be configured to support an ADS config source: the bootstrap has no dynamic_resources.ads_config",
  );
}

function openSource(
  config: ConfigSourceJson,
  type: ResourceType,
  services: XdsClientServices,
): ResourceClient {
  const source = openConfigSource(type, config, services);
  if (source === undefined) throw refuse("config_source_specifier", "value is required");
  return source;
}

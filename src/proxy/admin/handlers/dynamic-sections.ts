/** What came by xDS, for /config_dump: items of the sections of config-dump.ts. */
import type { ScopedRoutesJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { DynamicDump } from "../../dynamic/dynamic-config.ts";
import type { NamedStatus } from "../../dynamic/named-resources.ts";
import type { Refused, StatusEntry, Versioned } from "../../dynamic/status.ts";
import { having } from "../../tls/secret-configs.ts";
import { fieldsToProto } from "../proto-names.ts";

type Message = Readonly<Record<string, unknown>>;

const timeOf = (ms: number): string => new Date(ms).toISOString();

function anyOf(type: string, config: unknown): Message {
  return { "@type": `type.googleapis.com/${type}`, ...(fieldsToProto(config) as object) };
}

function versioned(field: string, type: string, item: Versioned<unknown>): Message {
  return {
    ...(item.version === "" ? {} : { version_info: item.version }),
    [field]: anyOf(type, item.config),
    last_updated: timeOf(item.updatedMs),
  };
}

/** envoy.admin.v3.UpdateFailureState */
function errorState(type: string, refused: Refused<unknown> | undefined): Message {
  if (refused === undefined) return {};
  return {
    error_state: {
      failed_configuration: anyOf(type, refused.config),
      last_update_attempt: timeOf(refused.updatedMs),
      details: refused.message,
      version_info: refused.version,
    },
  };
}

export function clusterItems(
  { clusters }: DynamicDump,
  state: "active" | "warming",
): readonly Message[] {
  const type = "envoy.config.cluster.v3.Cluster";
  return clusters.flatMap((entry) => {
    const item = entry[state];
    const refused = state === "active" ? errorState(type, entry.refused) : {};
    if (item === undefined) return state === "active" && "error_state" in refused ? [refused] : [];
    return [{ ...versioned("cluster", type, item), ...refused }];
  });
}

export function listenerItems({ listeners }: DynamicDump): readonly Message[] {
  const type = "envoy.config.listener.v3.Listener";
  return listeners.map(({ name, active, warming, refused }: StatusEntry<object>) => ({
    name,
    ...(active === undefined ? {} : { active_state: versioned("listener", type, active) }),
    ...(warming === undefined ? {} : { warming_state: versioned("listener", type, warming) }),
    ...errorState(type, refused),
  }));
}

export function routeItems({ routes }: DynamicDump): readonly Message[] {
  return routes.map(named("route_config", "envoy.config.route.v3.RouteConfiguration"));
}

const scopeType = "envoy.config.route.v3.ScopedRouteConfiguration";

export function scopeItems({ scopes }: DynamicDump): readonly Message[] {
  return scopes
    .filter(({ updatedMs }) => updatedMs > 0)
    .map(({ name, versionInfo, scopes: items, updatedMs }) => ({
      ...(name === "" ? {} : { name }),
      ...(versionInfo === "" ? {} : { version_info: versionInfo }),
      scoped_route_configs: items.map((item) => anyOf(scopeType, item)),
      last_updated: timeOf(updatedMs),
    }));
}

/** Scopes that stand in listeners, wherever these come from. */
export function inlineScopeItems(
  listeners: readonly unknown[],
  last_updated: string,
): readonly Message[] {
  return listeners.flatMap((listener) => {
    // Proof: only HttpConnectionManager has a field of that name.
    const managers = [...having(listener, "scopedRoutes")] as readonly {
      readonly scopedRoutes: ScopedRoutesJson;
    }[];
    return managers.flatMap(
      ({ scopedRoutes: { name = "", scopedRouteConfigurationsList: list } }) => {
        if (list === undefined) return [];
        const items = list.scopedRouteConfigurations ?? [];
        const scoped_route_configs = items.map((item) => anyOf(scopeType, item));
        return [{ name, scoped_route_configs, last_updated }];
      },
    );
  });
}

export function extensionItems(extensions: readonly NamedStatus[]): readonly Message[] {
  return extensions.map(named("ecds_filter", "envoy.config.core.v3.TypedExtensionConfig"));
}

function named(field: string, type: string): (status: NamedStatus) => Message {
  return ({ version, json, updatedMs }) =>
    versioned(field, type, { version, config: json, updatedMs });
}

/** Keys are not shown, as in Envoy. */
export function secretItems({ secrets }: DynamicDump): readonly Message[] {
  const item = named("secret", "envoy.extensions.transport_sockets.tls.v3.Secret");
  return secrets.map((status) => ({
    name: status.name,
    ...item({ ...status, json: redacted(status.json) }),
  }));
}

const hidden = { inlineBytes: Buffer.from("[redacted]").toString("base64") };
const sensitive: readonly string[] = ["privateKey", "password", "keys", "secret", "genericSecret"];

function redacted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redacted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      if (!sensitive.includes(key)) return [key, redacted(item)];
      return [key, Array.isArray(item) ? item.map(() => hidden) : hidden];
    }),
  );
}

import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { LocatedProblem } from "#config/config-file-error.ts";
import { decodeMessage } from "#config/decode.ts";
import { below, formatPath, type Place, Problems, rootOf } from "#config/place.ts";
import { readSources, type SourceText } from "#config/source-text.ts";
import type {
  MeshConfig_ExtensionProviderJson,
  MeshConfigJson,
} from "#gen/istio/mesh/v1alpha1/config_pb.js";
import type { MeshNetworksJson } from "#gen/istio/mesh/v1alpha1/network_pb.js";
import type { ProxyConfigJson } from "#gen/istio/mesh/v1alpha1/proxy_pb.js";
import { registry } from "#gen/registry.js";
import type { Kind } from "./kinds/kind.ts";
import { meshConfig } from "./kinds/mesh-config/type.ts";
import { meshNetworks } from "./kinds/mesh-networks/type.ts";
import { Report } from "./kinds/report.ts";

export interface ReadMessage<T> {
  /** The defaults alone when there are problems. */
  readonly config: T;
  readonly problems: readonly LocatedProblem[];
  readonly warnings: readonly LocatedProblem[];
}

/** Istio's defaults of a proxy. */
export const defaultProxyConfig: ProxyConfigJson = {
  configPath: "./etc/istio/proxy",
  binaryPath: "/usr/local/bin/envoy",
  serviceCluster: "istio-proxy",
  drainDuration: "45s",
  terminationDrainDuration: "5s",
  discoveryAddress: "istiod.istio-system.svc:15012",
  proxyAdminPort: 15000,
  controlPlaneAuthPolicy: "MUTUAL_TLS",
  statNameLength: 189,
  statusPort: 15020,
};

/** Istio's defaults of a mesh, which what is written is laid over. */
export const defaultMeshConfig: MeshConfigJson = {
  proxyListenPort: 15001,
  proxyInboundListenPort: 15006,
  connectTimeout: "10s",
  protocolDetectionTimeout: "0s",
  ingressClass: "istio",
  ingressService: "istio-ingressgateway",
  ingressControllerMode: "STRICT",
  enableTracing: true,
  accessLogEncoding: "TEXT",
  defaultConfig: defaultProxyConfig,
  outboundTrafficPolicy: { mode: "ALLOW_ANY" },
  inboundTrafficPolicy: { mode: "PASSTHROUGH" },
  enableAutoMtls: true,
  trustDomain: "cluster.local",
  defaultServiceExportTo: ["*"],
  defaultVirtualServiceExportTo: ["*"],
  defaultDestinationRuleExportTo: ["*"],
  rootNamespace: "istio-system",
  localityLbSetting: { enabled: true },
  dnsRefreshRate: "60s",
  enablePrometheusMerge: true,
  h2UpgradePolicy: "DO_NOT_UPGRADE",
  pathNormalization: { normalization: "BASE" },
  defaultProviders: {},
  extensionProviders: [
    { name: "prometheus", prometheus: {} },
    { name: "stackdriver", stackdriver: {} },
    { name: "envoy", envoyFileAccessLog: { path: "/dev/stdout" } },
  ],
};

/**
 * A mesh's configuration: MeshConfig itself, a ConfigMap with it under `data.mesh` (Istio's own form), or an object with it under `spec`.
 * An empty text is the defaults.
 */
export function readMeshConfig(name: string, text: string): ReadMessage<MeshConfigJson> {
  const read = readOne<MeshConfigJson>(meshConfig, "mesh", name, text);
  const config = read.value === undefined ? defaultMeshConfig : withMeshDefaults(read.value);
  return { config, problems: read.problems, warnings: read.warnings };
}

/** The same of the networks: MeshNetworks itself, or a ConfigMap with it under `data.meshNetworks`. */
export function readMeshNetworks(name: string, text: string): ReadMessage<MeshNetworksJson> {
  const read = readOne<MeshNetworksJson>(meshNetworks, "meshNetworks", name, text);
  return { config: read.value ?? {}, problems: read.problems, warnings: read.warnings };
}

/** What is written replaces a default whole, but a proxy's configuration and the providers are merged (as Istio does). */
export function withMeshDefaults(written: MeshConfigJson): MeshConfigJson {
  const { defaultConfig, defaultProviders, extensionProviders, ...rest } = written;
  return {
    ...defaultMeshConfig,
    ...rest,
    defaultConfig: withProxyDefaults(defaultConfig ?? {}),
    defaultProviders: { ...defaultMeshConfig.defaultProviders, ...defaultProviders },
    extensionProviders: mergeProviders(extensionProviders ?? []),
  };
}

/** A ProxyConfig over another: fields whole, only `proxyMetadata` entry by entry. */
export function withProxyDefaults(
  written: ProxyConfigJson,
  base: ProxyConfigJson = defaultProxyConfig,
): ProxyConfigJson {
  const proxyMetadata = { ...base.proxyMetadata, ...written.proxyMetadata };
  const merged: ProxyConfigJson = { ...base, ...written };
  // They are one oneof.
  if (written.tracingServiceName !== undefined) delete merged.serviceCluster;
  return Object.keys(proxyMetadata).length > 0 ? { ...merged, proxyMetadata } : merged;
}

function mergeProviders(
  written: readonly MeshConfig_ExtensionProviderJson[],
): MeshConfig_ExtensionProviderJson[] {
  const byName = new Map<string, MeshConfig_ExtensionProviderJson>();
  for (const provider of [...(defaultMeshConfig.extensionProviders ?? []), ...written]) {
    byName.set(provider.name ?? "", provider);
  }
  return [...byName.values()];
}

interface ReadOne<T> {
  readonly value: T | undefined;
  readonly problems: readonly LocatedProblem[];
  readonly warnings: readonly LocatedProblem[];
}

function readOne<T>(kind: Kind<T>, key: string, name: string, text: string): ReadOne<T> {
  const [source, ...others] = readSources(name, text).filter(
    (document) => document.value !== undefined || document.unreadable.length > 0,
  );
  if (source === undefined) return { value: undefined, problems: [], warnings: [] };
  if (others.length > 0) {
    const problem = {
      file: name,
      line: 1,
      column: 1,
      path: "",
      message: "holds several documents",
    };
    return { value: undefined, problems: [problem], warnings: [] };
  }
  if (source.unreadable.length > 0) {
    const problems = source.unreadable.map((error) => ({ file: name, path: "", ...error }));
    return { value: undefined, problems, warnings: [] };
  }
  if (source.value === undefined) return { value: undefined, problems: [], warnings: [] };
  const { value, place } = unwrap(source, source.value, key);
  // A text in a ConfigMap; any other text is no message.
  return typeof value === "string" && place.key === key
    ? readOne(kind, key, name, indented(value, source, place))
    : readBody(kind, value, place);
}

/** Where the message stands: in a ConfigMap, in an object, or everywhere. */
function unwrap(
  source: SourceText,
  value: JsonValue,
  key: string,
): { readonly value: JsonValue; readonly place: Place } {
  const root = rootOf(source);
  if (!isObject(value) || value["kind"] === undefined) return { value, place: root };
  const { data, spec } = value;
  if (value["kind"] === "ConfigMap" && isObject(data)) {
    return { value: data[key] ?? {}, place: below(below(root, "data"), key) };
  }
  return { value: spec ?? {}, place: below(root, "spec") };
}

/** A text in a text, moved to the lines that it stands on, so that problems name those. */
function indented(text: string, source: SourceText, place: Place): string {
  // A block (`mesh: |-`) begins on the line after its key.
  const { line } = source.positionOf(
    place.parent === undefined ? [] : ["data", place.key],
    "value",
  );
  return "\n".repeat(line) + text;
}

function readBody<T>(kind: Kind<T>, value: JsonValue, place: Place): ReadOne<T> {
  const problems = new Problems();
  const message = "message" in kind.body ? registry.getMessage(kind.body.message) : undefined;
  if (message === undefined) throw new Error(`no message type of ${kind.kind}`);
  const context = { registry, problems, origins: new Map(), dialect: "istio" } as const;
  const decoded = decodeMessage(context, message, value, place);
  if (!isObject(decoded)) return { value: undefined, problems: problems.located, warnings: [] };
  // It was decoded by the kind's own message.
  const spec = decoded as T;
  const report = new Report();
  const metadata = {
    name: "default",
    namespace: "",
    labels: {},
    annotations: {},
    creationMs: 0,
    resourceVersion: "",
  };
  kind.validate({ metadata, spec }, report);
  const located = report.found.map(({ severity, keys, message: text }) => {
    // Its positions begin at an object's root, of which `spec` is written here.
    let at = place;
    for (const step of keys.slice(1)) at = below(at, step);
    const { line, column } = place.source.positionOf(pathOf(at), "value");
    const path = formatPath(pathOf(at));
    return { severity, problem: { file: place.source.name, line, column, path, message: text } };
  });
  const only = (wanted: string): readonly LocatedProblem[] =>
    located.filter(({ severity }) => severity === wanted).map(({ problem }) => problem);
  const all = [...problems.located, ...only("problem")];
  return { value: all.length > 0 ? undefined : spec, problems: all, warnings: only("warning") };
}

function pathOf(place: Place): readonly (string | number)[] {
  return place.parent === undefined ? [] : [...pathOf(place.parent), place.key];
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

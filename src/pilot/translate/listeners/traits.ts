/** What of a proxy, besides its scope, changes its listeners. */
import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { type ProxyConfigJson, ProxyConfigSchema } from "#gen/istio/mesh/v1alpha1/proxy_pb.js";
import type { ProxyNode } from "#model/node.ts";
import type { ProxyView } from "../../view.ts";
import { goDuration } from "./go-duration.ts";

/** Few combinations in a mesh, so that outbound listeners are shared by all proxies of one scope and equal traits. */
export interface ListenerTraits {
  readonly wildcard: "0.0.0.0" | "::";
  readonly loopback: "127.0.0.1" | "::1";
  readonly http10: boolean;
  /** Of connections, ProtoJSON. */
  readonly idleTimeout: string | undefined;
  readonly unprivileged: boolean;
  /** Of the proxy's static listeners. */
  readonly reservedPorts: readonly number[];
  readonly proxyConfig: ProxyConfigJson;
}

export function traitsOf({ node, scope }: Pick<ProxyView, "node" | "scope">): ListenerTraits {
  const { metadata } = node;
  const ipv6 = node.ipAddresses.length > 0 && node.ipAddresses.every((ip) => ip.includes(":"));
  return {
    wildcard: ipv6 ? "::" : "0.0.0.0",
    loopback: ipv6 ? "::1" : "127.0.0.1",
    http10: metadata["HTTP10"] === "1",
    idleTimeout: goDuration(text(metadata["IDLE_TIMEOUT"])),
    unprivileged: ["1", "t", "T", "true", "TRUE", "True", true].includes(
      flag(metadata["UNPRIVILEGED_POD"]),
    ),
    reservedPorts: [
      Number(metadata["ENVOY_STATUS_PORT"] ?? 0),
      Number(metadata["ENVOY_PROMETHEUS_PORT"] ?? 0),
    ].filter((port) => port > 0),
    proxyConfig: ownProxyConfig(node) ?? scope.mesh.defaultConfig ?? {},
  };
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const flag = (value: unknown): string | boolean => (value === true ? true : text(value));

const proxyConfigs = new WeakMap<object, ProxyConfigJson | undefined>();

/** Istio's agent sends the whole of it, the mesh's defaults filled in; what cannot be read is as good as absent. */
function ownProxyConfig({ metadata }: ProxyNode): ProxyConfigJson | undefined {
  const value = metadata["PROXY_CONFIG"];
  if (typeof value !== "object" || value === null) return undefined;
  if (!proxyConfigs.has(value)) proxyConfigs.set(value, readProxyConfig(value));
  return proxyConfigs.get(value);
}

function readProxyConfig(value: object): ProxyConfigJson | undefined {
  try {
    // Proof: metadata came as a google.protobuf.Struct or a JSON file; anything else is refused by fromJson.
    const message = fromJson(ProxyConfigSchema, value as JsonValue, { ignoreUnknownFields: true });
    return toJson(ProxyConfigSchema, message);
  } catch {
    return undefined;
  }
}

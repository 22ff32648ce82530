import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { decodeMessage } from "#config/decode.ts";
import { Problems, parsePath, rootOf } from "#config/place.ts";
import { sourceWithoutText } from "#config/source-text.ts";
import { registry } from "#gen/registry.js";
import type { Keys, Report } from "../report.ts";

/** Envoy's message that each kind of patch is a part of. */
const messages: Readonly<Partial<Record<string, string>>> = {
  LISTENER: "envoy.config.listener.v3.Listener",
  LISTENER_FILTER: "envoy.config.listener.v3.ListenerFilter",
  FILTER_CHAIN: "envoy.config.listener.v3.FilterChain",
  NETWORK_FILTER: "envoy.config.listener.v3.Filter",
  HTTP_FILTER: "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
  ROUTE_CONFIGURATION: "envoy.config.route.v3.RouteConfiguration",
  VIRTUAL_HOST: "envoy.config.route.v3.VirtualHost",
  HTTP_ROUTE: "envoy.config.route.v3.Route",
  CLUSTER: "envoy.config.cluster.v3.Cluster",
  EXTENSION_CONFIG: "envoy.config.core.v3.TypedExtensionConfig",
  BOOTSTRAP: "envoy.config.bootstrap.v3.Bootstrap",
};

/** A patch is read as the message that it changes. What this build does not know is a warning: a proxy's newer one may. */
export function checkPatchValue(applyTo: unknown, value: JsonObject, report: Report): void {
  const message = registry.getMessage(messages[String(applyTo)] ?? "");
  if (message === undefined) return;
  const problems = new Problems();
  const source = sourceWithoutText("", value);
  decodeMessage({ registry, problems, origins: new Map() }, message, value, rootOf(source));
  for (const { path, message: text } of problems.located) {
    const keys = parsePath(path);
    const here = report.at(...keys);
    if (/^unknown (?:field|type)/.test(text) || isTyped(value, keys)) here.warning(text);
    else here.problem(text);
  }
}

/** Inside a TypedStruct, which istiod does not look into either. */
function isTyped(value: JsonObject, keys: Keys): boolean {
  let at: JsonValue | undefined = value;
  for (const key of keys) {
    if (Array.isArray(at)) at = at[Number(key)];
    else if (typeof at === "object" && at !== null) {
      if (/\.TypedStruct$/.test(String(at["@type"]))) return true;
      at = at[key];
    }
  }
  return false;
}

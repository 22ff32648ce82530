import type { ServerJson } from "#gen/istio/networking/v1alpha3/gateway_pb.js";
import type { Rule } from "../../provenance.ts";
import type { MergedServer } from "../../view.ts";

/** The names that a server answers to, without the namespaces whose rules it takes (`ns/host`). */
export function serverHosts({ hosts = [] }: ServerJson): readonly string[] {
  return [...new Set(hosts.map((host) => host.slice(host.lastIndexOf("/") + 1).toLowerCase()))];
}

export function serverRule({ object, index }: MergedServer): Rule {
  return { object, keys: ["spec", "servers", index] };
}

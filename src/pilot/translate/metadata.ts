import type { MetadataJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { ConfigObject } from "#model/object.ts";

/** Istio's `metadata.filter_metadata.istio.config`: which object made this. Dashboards and `istioctl` read it. */
export function configMetadata(object: ConfigObject): MetadataJson {
  return { filterMetadata: { istio: { config: configPath(object) } } };
}

/** `/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews` */
export function configPath({ apiVersion, kind, metadata }: ConfigObject): string {
  const group = apiVersion.slice(0, Math.max(0, apiVersion.indexOf("/")));
  const name = kind.replace(/(?<=[a-z])[A-Z]/g, "-$&").toLowerCase();
  // Istio's networking kinds are one schema in all versions, and v1 is what it reports.
  return `/apis/${group}/v1/namespaces/${metadata.namespace}/${name}/${metadata.name}`;
}

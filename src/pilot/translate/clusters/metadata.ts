import type { JsonObject } from "@bufbuild/protobuf";
import type { Service } from "#model/service.ts";
import type { ClusterDraft } from "./draft.ts";

/** Adds to the cluster's `istio` metadata, which telemetry and people's tools read. */
export function addIstioMetadata({ cluster }: ClusterDraft, fields: JsonObject): void {
  const { filterMetadata = {} } = cluster.metadata ?? {};
  cluster.metadata = {
    filterMetadata: { ...filterMetadata, istio: { ...filterMetadata["istio"], ...fields } },
  };
}

export function serviceMetadata({ hostname, name, namespace }: Service): JsonObject {
  return { host: hostname, name, namespace };
}

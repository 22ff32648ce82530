import type { WorkloadEntryJson } from "#gen/istio/networking/v1alpha3/workload_entry_pb.js";
import type { Kind } from "../kind.ts";
import { validate } from "./validate.ts";

export const workloadEntry: Kind<WorkloadEntryJson> = {
  kind: "WorkloadEntry",
  group: "networking.istio.io",
  versions: ["v1", "v1beta1", "v1alpha3"],
  plural: "workloadentries",
  shortNames: ["we"],
  namespaced: true,
  body: { message: "istio.networking.v1alpha3.WorkloadEntry" },
  validate,
};

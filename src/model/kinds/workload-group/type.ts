import type { WorkloadGroupJson } from "#gen/istio/networking/v1alpha3/workload_group_pb.js";
import type { Kind } from "../kind.ts";
import { validate } from "./validate.ts";

export const workloadGroup: Kind<WorkloadGroupJson> = {
  kind: "WorkloadGroup",
  group: "networking.istio.io",
  versions: ["v1", "v1beta1", "v1alpha3"],
  plural: "workloadgroups",
  shortNames: ["wg"],
  namespaced: true,
  body: { message: "istio.networking.v1alpha3.WorkloadGroup" },
  validate,
};

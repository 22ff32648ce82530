import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import type { Kind } from "../kind.ts";
import { validate } from "./validate.ts";

/** Istio has it as a file or in a ConfigMap; as an object it is Heddle's own form. */
export const meshConfig: Kind<MeshConfigJson> = {
  kind: "MeshConfig",
  group: "mesh.istio.io",
  versions: ["v1alpha1"],
  plural: "meshconfigs",
  shortNames: [],
  namespaced: false,
  body: { message: "istio.mesh.v1alpha1.MeshConfig" },
  validate,
};

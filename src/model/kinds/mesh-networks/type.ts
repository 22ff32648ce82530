import type { MeshNetworksJson } from "#gen/istio/mesh/v1alpha1/network_pb.js";
import type { Kind } from "../kind.ts";
import { validate } from "./validate.ts";

/** Istio has it as a file or in a ConfigMap; as an object it is Heddle's own form. */
export const meshNetworks: Kind<MeshNetworksJson> = {
  kind: "MeshNetworks",
  group: "mesh.istio.io",
  versions: ["v1alpha1"],
  plural: "meshnetworks",
  shortNames: [],
  namespaced: false,
  body: { message: "istio.mesh.v1alpha1.MeshNetworks" },
  validate,
};

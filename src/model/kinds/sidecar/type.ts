import type { SidecarJson } from "#gen/istio/networking/v1alpha3/sidecar_pb.js";
import type { Kind } from "../kind.ts";
import { validate } from "./validate.ts";

export const sidecar: Kind<SidecarJson> = {
  kind: "Sidecar",
  group: "networking.istio.io",
  versions: ["v1", "v1beta1", "v1alpha3"],
  plural: "sidecars",
  shortNames: [],
  namespaced: true,
  body: { message: "istio.networking.v1alpha3.Sidecar" },
  validate,
};

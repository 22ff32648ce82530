import type { VirtualServiceJson } from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import type { Kind } from "../kind.ts";
import { validate } from "./validate.ts";

export const virtualService: Kind<VirtualServiceJson> = {
  kind: "VirtualService",
  group: "networking.istio.io",
  versions: ["v1", "v1beta1", "v1alpha3"],
  plural: "virtualservices",
  shortNames: ["vs"],
  namespaced: true,
  body: { message: "istio.networking.v1alpha3.VirtualService" },
  validate,
};

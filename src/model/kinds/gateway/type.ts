import type { GatewayJson } from "#gen/istio/networking/v1alpha3/gateway_pb.js";
import type { Kind } from "../kind.ts";
import { validate } from "./validate.ts";

export const gateway: Kind<GatewayJson> = {
  kind: "Gateway",
  group: "networking.istio.io",
  versions: ["v1", "v1beta1", "v1alpha3"],
  plural: "gateways",
  shortNames: ["gw"],
  namespaced: true,
  body: { message: "istio.networking.v1alpha3.Gateway" },
  validate,
};

import type { DestinationRuleJson } from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import type { Kind } from "../kind.ts";
import { validate } from "./validate.ts";

export const destinationRule: Kind<DestinationRuleJson> = {
  kind: "DestinationRule",
  group: "networking.istio.io",
  versions: ["v1", "v1beta1", "v1alpha3"],
  plural: "destinationrules",
  shortNames: ["dr"],
  namespaced: true,
  body: { message: "istio.networking.v1alpha3.DestinationRule" },
  validate,
};

import type { TrafficExtensionJson } from "#gen/istio/extensions/v1alpha1/traffic_extension_pb.js";
import type { Kind } from "../kind.ts";
import { validate } from "./validate.ts";

export const trafficExtension: Kind<TrafficExtensionJson> = {
  kind: "TrafficExtension",
  group: "extensions.istio.io",
  versions: ["v1alpha1"],
  plural: "trafficextensions",
  shortNames: [],
  namespaced: true,
  body: { message: "istio.extensions.v1alpha1.TrafficExtension" },
  validate,
};

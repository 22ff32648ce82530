import type { EnvoyFilterJson } from "#gen/istio/networking/v1alpha3/envoy_filter_pb.js";
import type { Kind } from "../kind.ts";
import { validate } from "./validate.ts";

export const envoyFilter: Kind<EnvoyFilterJson> = {
  kind: "EnvoyFilter",
  group: "networking.istio.io",
  versions: ["v1alpha3"],
  plural: "envoyfilters",
  shortNames: [],
  namespaced: true,
  body: { message: "istio.networking.v1alpha3.EnvoyFilter" },
  validate,
};

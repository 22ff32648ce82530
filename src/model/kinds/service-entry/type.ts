import type { ServiceEntryJson } from "#gen/istio/networking/v1alpha3/service_entry_pb.js";
import type { Kind } from "../kind.ts";
import { validate } from "./validate.ts";

export const serviceEntry: Kind<ServiceEntryJson> = {
  kind: "ServiceEntry",
  group: "networking.istio.io",
  versions: ["v1", "v1beta1", "v1alpha3"],
  plural: "serviceentries",
  shortNames: ["se"],
  namespaced: true,
  body: { message: "istio.networking.v1alpha3.ServiceEntry" },
  validate,
};

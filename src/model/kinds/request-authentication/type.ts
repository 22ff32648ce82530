import type { RequestAuthenticationJson } from "#gen/istio/security/v1beta1/request_authentication_pb.js";
import type { Kind } from "../kind.ts";
import { validate } from "./validate.ts";

export const requestAuthentication: Kind<RequestAuthenticationJson> = {
  kind: "RequestAuthentication",
  group: "security.istio.io",
  versions: ["v1", "v1beta1"],
  plural: "requestauthentications",
  shortNames: ["ra"],
  namespaced: true,
  body: { message: "istio.security.v1beta1.RequestAuthentication" },
  validate,
};

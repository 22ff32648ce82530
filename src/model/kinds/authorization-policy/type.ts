import type { AuthorizationPolicyJson } from "#gen/istio/security/v1beta1/authorization_policy_pb.js";
import type { Kind } from "../kind.ts";
import { validate } from "./validate.ts";

export const authorizationPolicy: Kind<AuthorizationPolicyJson> = {
  kind: "AuthorizationPolicy",
  group: "security.istio.io",
  versions: ["v1", "v1beta1"],
  plural: "authorizationpolicies",
  shortNames: ["ap"],
  namespaced: true,
  body: { message: "istio.security.v1beta1.AuthorizationPolicy" },
  validate,
};

import type { PeerAuthenticationJson } from "#gen/istio/security/v1beta1/peer_authentication_pb.js";
import type { Kind } from "../kind.ts";
import { validate } from "./validate.ts";

export const peerAuthentication: Kind<PeerAuthenticationJson> = {
  kind: "PeerAuthentication",
  group: "security.istio.io",
  versions: ["v1", "v1beta1"],
  plural: "peerauthentications",
  shortNames: ["pa"],
  namespaced: true,
  body: { message: "istio.security.v1beta1.PeerAuthentication" },
  validate,
};

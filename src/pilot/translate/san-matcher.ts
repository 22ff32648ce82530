import { isIP } from "node:net";
import type { SubjectAltNameMatcherJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js";

/** Envoy wants to know in which kind of name it looks; Istio's rules only give the name. */
export function sanMatcher(name: string): SubjectAltNameMatcherJson {
  return { sanType: kindOf(name), matcher: { exact: name } };
}

function kindOf(name: string): NonNullable<SubjectAltNameMatcherJson["sanType"]> {
  if (name.includes("://")) return "URI";
  if (name.includes("@")) return "EMAIL";
  return isIP(name) === 0 ? "DNS" : "IP_ADDRESS";
}

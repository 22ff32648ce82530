import type { SubjectAltNameMatcherJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import type { AltNames } from "#net/certificate.ts";
import { byteText, lowerAscii } from "../matching/byte-text.ts";
import { compileStringMatcher } from "../matching/string-matcher.ts";

export type SanMatcher = (names: AltNames) => boolean;

const kinds: Readonly<Partial<Record<string, keyof AltNames>>> = {
  DNS: "dns",
  URI: "uri",
  EMAIL: "email",
  IP_ADDRESS: "ip",
};

/** One alternative name of the kind must match. */
export function compileSanMatcher(config: SubjectAltNameMatcherJson): SanMatcher {
  const type = config.sanType ?? "SAN_TYPE_UNSPECIFIED";
  const kind = kinds[type];
  if (kind === undefined) throw refuse("san_type", `${type} is not supported`);
  const { matcher } = config;
  if (matcher === undefined) throw refuse("matcher", "is required");
  const { exact } = matcher;
  // As in Envoy: an exact DNS name matches a certificate's wildcard too.
  if (kind === "dns" && exact !== undefined && matcher.ignoreCase !== true)
    return (names) => names.dns.some((pattern) => dnsNameMatches(exact, pattern));
  const matches = within("matcher", () => compileStringMatcher(matcher));
  return (names) => names[kind].some((name) => matches(byteText(name)));
}

/** RFC 6125 §6.4.3: the asterisk is all of the left-most label, and there are at least two more. */
export function dnsNameMatches(name: string, pattern: string): boolean {
  const wanted = lowerAscii(name);
  const offered = lowerAscii(pattern);
  if (wanted === offered) return true;
  if (!offered.startsWith("*.")) return false;
  const dot = wanted.indexOf(".");
  return dot > 0 && wanted.slice(dot) === offered.slice(1) && offered.indexOf(".", 2) !== -1;
}

/** What the failure's text lists, as Envoy does. */
export function allNames(names: AltNames): string {
  return [...names.dns, ...names.uri, ...names.email, ...names.ip].join(", ");
}

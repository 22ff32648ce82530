import type { TlsInfo } from "#net/connection.ts";
import type { StreamInfo } from "../stream-info.ts";
import {
  never,
  type OperatorSpec,
  type OperatorTable,
  some,
  text,
  untrustedText,
} from "./operator.ts";
import { toByteString } from "./parse-format.ts";

type Side = (info: StreamInfo) => TlsInfo | undefined;
const down: Side = (info) => info.downstream.tls;
const up: Side = (info) => info.upstreamTls;

/** Certificates hold whatever their issuer let in, so their text is escaped. */
function field(side: Side, read: (tls: TlsInfo) => string): OperatorSpec {
  return untrustedText((info) => {
    const tls = side(info);
    if (tls === undefined) return undefined;
    const value = read(tls);
    return value === "" ? undefined : toByteString(value);
  });
}

const list = (values: readonly string[]): string => values.join(",");

/** Valid names whose values the TLS layer does not report yet. */
const unknown: OperatorTable = Object.fromEntries(
  [
    ...["DOWNSTREAM_PEER_IP_SAN", "DOWNSTREAM_PEER_EMAIL_SAN", "DOWNSTREAM_PEER_OTHERNAME_SAN"],
    ...["DOWNSTREAM_LOCAL_DNS_SAN", "DOWNSTREAM_LOCAL_IP_SAN", "DOWNSTREAM_LOCAL_EMAIL_SAN"],
    ...["DOWNSTREAM_LOCAL_OTHERNAME_SAN", "DOWNSTREAM_PEER_ISSUER", "DOWNSTREAM_TLS_SESSION_ID"],
    ...["DOWNSTREAM_TLS_GROUP", "DOWNSTREAM_PEER_FINGERPRINT_256", "DOWNSTREAM_PEER_FINGERPRINT_1"],
    ...["DOWNSTREAM_PEER_SERIAL", "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256"],
    ...["DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1", "DOWNSTREAM_PEER_CHAIN_SERIALS"],
    ...["DOWNSTREAM_PEER_CERT", "UPSTREAM_PEER_IP_SAN", "UPSTREAM_PEER_ISSUER"],
    ...["UPSTREAM_PEER_CERT", "UPSTREAM_LOCAL_DNS_SAN", "UPSTREAM_TLS_SESSION_ID"],
    ...["UPSTREAM_TLS_GROUP", "TLS_JA3_FINGERPRINT", "TLS_JA4_FINGERPRINT"],
  ].map((name) => [name, never()]),
);

export const tlsOperators: OperatorTable = {
  ...unknown,
  DOWNSTREAM_PEER_CERT_V_START: never("optional"),
  DOWNSTREAM_PEER_CERT_V_END: never("optional"),
  UPSTREAM_PEER_CERT_V_START: never("optional"),
  UPSTREAM_PEER_CERT_V_END: never("optional"),
  // The name a TLS inspector saw may be there without TLS of our own.
  REQUESTED_SERVER_NAME: text((i) => serverNameText(some(i.downstream.requestedServerName))),
  DOWNSTREAM_PEER_URI_SAN: field(down, (tls) => list(tls.peerUriSans)),
  DOWNSTREAM_PEER_DNS_SAN: field(down, (tls) => list(tls.peerDnsSans)),
  DOWNSTREAM_LOCAL_URI_SAN: field(down, (tls) => list(tls.localUriSans)),
  DOWNSTREAM_PEER_SUBJECT: field(down, (tls) => tls.peerSubject),
  DOWNSTREAM_LOCAL_SUBJECT: field(down, (tls) => tls.localSubject),
  DOWNSTREAM_TLS_CIPHER: field(down, (tls) => tls.cipher),
  DOWNSTREAM_TLS_VERSION: field(down, (tls) => tls.version),
  UPSTREAM_PEER_URI_SAN: field(up, (tls) => list(tls.peerUriSans)),
  UPSTREAM_PEER_DNS_SAN: field(up, (tls) => list(tls.peerDnsSans)),
  UPSTREAM_PEER_SUBJECT: field(up, (tls) => tls.peerSubject),
  UPSTREAM_LOCAL_URI_SAN: field(up, (tls) => list(tls.localUriSans)),
  UPSTREAM_TLS_CIPHER: field(up, (tls) => tls.cipher),
  UPSTREAM_TLS_VERSION: field(up, (tls) => tls.version),
};

/** The client's bytes in a log that people and scripts read: Envoy's marking of what is no host name. */
function serverNameText(name: string | undefined): string | undefined {
  if (name === undefined || /^[A-Za-z0-9.-]*$/.test(name)) return name;
  return `invalid:${name.replaceAll(/[^A-Za-z0-9.-]/g, "_")}`;
}

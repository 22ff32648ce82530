import type { Certificate } from "#net/certificate.ts";
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
import { timeOperator } from "./operators-stream.ts";
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

/** Valid names whose values the runtime's TLS does not tell. */
const unknown: OperatorTable = Object.fromEntries(
  [
    ...["DOWNSTREAM_PEER_OTHERNAME_SAN", "DOWNSTREAM_LOCAL_OTHERNAME_SAN"],
    ...["TLS_JA3_FINGERPRINT", "TLS_JA4_FINGERPRINT"],
  ].map((name) => [name, never()]),
);

/** One side's certificates, for the names that both sides have. */
function certificates(prefix: string, side: Side): OperatorTable {
  const peer = (read: (certificate: Certificate) => string): OperatorSpec =>
    field(side, (tls) => (tls.peer === undefined ? "" : read(tls.peer)));
  const local = (read: (certificate: Certificate) => string): OperatorSpec =>
    field(side, (tls) => (tls.local === undefined ? "" : read(tls.local)));
  const time = (read: (certificate: Certificate) => number): OperatorSpec =>
    timeOperator("utc", (info) => {
      const certificate = side(info)?.peer;
      return certificate === undefined ? undefined : read(certificate);
    });
  const table: OperatorTable = {
    PEER_URI_SAN: peer(({ altNames }) => list(altNames.uri)),
    PEER_DNS_SAN: peer(({ altNames }) => list(altNames.dns)),
    PEER_IP_SAN: peer(({ altNames }) => list(altNames.ip)),
    PEER_SUBJECT: peer(({ subject }) => subject),
    PEER_ISSUER: peer(({ issuer }) => issuer),
    PEER_CERT: peer(({ urlEncodedPem }) => urlEncodedPem),
    PEER_CERT_V_START: time(({ validFromMs }) => validFromMs),
    PEER_CERT_V_END: time(({ validToMs }) => validToMs),
    LOCAL_URI_SAN: local(({ altNames }) => list(altNames.uri)),
    LOCAL_DNS_SAN: local(({ altNames }) => list(altNames.dns)),
    TLS_CIPHER: field(side, (tls) => tls.cipher),
    TLS_VERSION: field(side, (tls) => tls.version),
    TLS_GROUP: field(side, (tls) => tls.group),
    TLS_SESSION_ID: field(side, (tls) => tls.sessionId),
  };
  return Object.fromEntries(
    Object.entries(table).map(([name, operator]) => [`${prefix}_${name}`, operator]),
  );
}

const chain = (tls: TlsInfo, read: (certificate: Certificate) => string): string =>
  tls.peerChain.map(read).join(",");

export const tlsOperators: OperatorTable = {
  ...unknown,
  ...certificates("DOWNSTREAM", down),
  ...certificates("UPSTREAM", up),
  // The name a TLS inspector saw may be there without TLS of our own.
  REQUESTED_SERVER_NAME: text((i) => serverNameText(some(i.downstream.requestedServerName))),
  DOWNSTREAM_PEER_EMAIL_SAN: field(down, (tls) => list(tls.peer?.altNames.email ?? [])),
  DOWNSTREAM_LOCAL_IP_SAN: field(down, (tls) => list(tls.local?.altNames.ip ?? [])),
  DOWNSTREAM_LOCAL_EMAIL_SAN: field(down, (tls) => list(tls.local?.altNames.email ?? [])),
  DOWNSTREAM_LOCAL_SUBJECT: field(down, (tls) => tls.localSubject),
  DOWNSTREAM_PEER_SERIAL: field(down, (tls) => tls.peer?.serial ?? ""),
  DOWNSTREAM_PEER_FINGERPRINT_256: field(down, (tls) => tls.peer?.fingerprint256 ?? ""),
  DOWNSTREAM_PEER_FINGERPRINT_1: field(down, (tls) => tls.peer?.fingerprint1 ?? ""),
  DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256: field(down, (tls) =>
    chain(tls, ({ fingerprint256 }) => fingerprint256),
  ),
  DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1: field(down, (tls) =>
    chain(tls, ({ fingerprint1 }) => fingerprint1),
  ),
  DOWNSTREAM_PEER_CHAIN_SERIALS: field(down, (tls) => chain(tls, ({ serial }) => serial)),
};

/** The client's bytes in a log that people and scripts read: Envoy's marking of what is no host name. */
function serverNameText(name: string | undefined): string | undefined {
  if (name === undefined || /^[A-Za-z0-9.-]*$/.test(name)) return name;
  return `invalid:${name.replaceAll(/[^A-Za-z0-9.-]/g, "_")}`;
}

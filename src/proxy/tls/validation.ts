import { createHash } from "node:crypto";
import type { CertificateValidationContextJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import type { Certificate } from "#net/certificate.ts";
import type { TlsInfo } from "#net/connection.ts";
import type { VerifyTuning } from "#net/openssl.ts";
import type { ChainError, PeerVerdict } from "#net/tls-connection.ts";
import { parseCertificates } from "./certificates.ts";
import { readDataSource, type SourceBytes, systemAuthorities } from "./data-source.ts";
import { verifyFailure } from "./failure-text.ts";
import { allNames, compileSanMatcher, dnsNameMatches, type SanMatcher } from "./san-matcher.ts";

/** How a peer's certificate is judged. */
export interface Validation {
  /** PEM; undefined: nobody is trusted, and chains are not looked at. */
  readonly trustedAuthorities: string | undefined;
  readonly authorities: readonly Certificate[];
  readonly origin: string;
  readonly anchors: ReadonlySet<string>;
  readonly revocationList: string | undefined;
  readonly tuning: VerifyTuning;
  /** There is something to check, so a server asks for a certificate. */
  readonly active: boolean;
  /** Counts what fails even when it is accepted all the same (ACCEPT_UNTRUSTED). */
  verify(peer: PeerFacts, count: (verdict: Refusal) => void): PeerVerdict;
}

export type Refusal = Extract<PeerVerdict, { readonly accepted: false }>;

export interface PeerFacts {
  readonly info: TlsInfo;
  readonly chainError: ChainError | undefined;
  /** A DNS name or address that the certificate must be for (auto_sni_san_validation, auto_san_validation); undefined: any. */
  readonly mustBeFor: string | undefined;
}

const untuned: VerifyTuning = { depth: undefined, ignoreTime: false, crlOfLeafOnly: false };

export const noValidation: Validation = {
  trustedAuthorities: undefined,
  authorities: [],
  origin: "",
  anchors: new Set(),
  revocationList: undefined,
  tuning: untuned,
  active: false,
  verify: () => ({ accepted: true, validated: false }),
};

/** Throws ConfigError. */
export function compileValidation(config: CertificateValidationContextJson): Validation {
  const trusted = within("trusted_ca", () => readAuthorities(config));
  const crl = within("crl", () => readDataSource(config.crl));
  if (crl !== undefined && trusted === undefined)
    throw refuse("crl", `Failed to load CRL from ${crl.origin} without trusted CA`);
  const sans = compileEach(
    "match_typed_subject_alt_names",
    config.matchTypedSubjectAltNames,
    compileSanMatcher,
  );
  if (sans.length > 0 && trusted === undefined) {
    throw refuse(
      "match_typed_subject_alt_names",
      "SAN-based verification of peer certificates without trusted CA is insecure and not allowed",
    );
  }
  const hashes = compileEach("verify_certificate_hash", config.verifyCertificateHash, parseHash);
  const spkis = compileEach("verify_certificate_spki", config.verifyCertificateSpki, parseSpki);
  const rules: Rules = {
    trusts: trusted !== undefined,
    acceptUntrusted: config.trustChainVerification === "ACCEPT_UNTRUSTED",
    sans,
    hashes: new Set(hashes),
    spkis: new Set(spkis),
  };
  return {
    trustedAuthorities: trusted?.bytes.toString(),
    authorities: trusted?.certificates ?? [],
    origin: trusted?.origin ?? "",
    anchors: new Set(trusted?.certificates.map(({ fingerprint256 }) => fingerprint256)),
    revocationList: crl?.bytes.toString(),
    tuning: {
      depth: config.maxVerifyDepth,
      ignoreTime: config.allowExpiredCertificate ?? false,
      crlOfLeafOnly: config.onlyVerifyLeafCertCrl ?? false,
    },
    active: rules.trusts || hashes.length > 0 || spkis.length > 0,
    verify: (peer, count) => verify(rules, peer, count),
  };
}

function readAuthorities(
  config: CertificateValidationContextJson,
): (SourceBytes & { readonly certificates: readonly Certificate[] }) | undefined {
  const source =
    readDataSource(config.trustedCa) ??
    (config.systemRootCerts === undefined ? undefined : systemAuthorities());
  if (source === undefined) {
    if (config.allowExpiredCertificate !== true) return undefined;
    throw refuse("", "Certificate validity period is always ignored without trusted CA");
  }
  const certificates = parseCertificates(source);
  if (certificates.length === 0)
    throw refuse("", `Failed to load trusted CA certificates from ${source.origin}`);
  return { ...source, certificates };
}

/** 64 hexadecimal digits, in pairs with colons or not. */
function parseHash(text: string): string {
  const digits = text.replaceAll(":", "").toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(digits)) throw refuse("", `Invalid hex-encoded SHA-256 ${text}`);
  return digits;
}

function parseSpki(text: string): string {
  if (Buffer.from(text, "base64").length !== 32)
    throw refuse("", `Invalid base64-encoded SHA-256 ${text}`);
  return text;
}

interface Rules {
  readonly trusts: boolean;
  readonly acceptUntrusted: boolean;
  readonly sans: readonly SanMatcher[];
  readonly hashes: ReadonlySet<string>;
  readonly spkis: ReadonlySet<string>;
}

function verify(rules: Rules, peer: PeerFacts, count: (refusal: Refusal) => void): PeerVerdict {
  const certificate = peer.info.peer;
  // Whether there must be one is the handshake's matter.
  if (certificate === undefined) return { accepted: true, validated: false };
  const refusal = refusalOf(rules, certificate, peer);
  if (refusal === undefined) return { accepted: true, validated: rules.trusts || pins(rules) };
  if (!rules.acceptUntrusted) return refusal;
  count(refusal);
  return { accepted: true, validated: false };
}

function pins({ hashes, spkis }: Rules): boolean {
  return hashes.size > 0 || spkis.size > 0;
}

function refusalOf(rules: Rules, certificate: Certificate, peer: PeerFacts): Refusal | undefined {
  const { chainError, mustBeFor } = peer;
  if (rules.trusts && chainError !== undefined) {
    const text = chainError.message.split(";")[0] ?? "";
    return refused(
      "certificate",
      `X509_verify_cert: certificate verification error at depth 0: ${text}`,
    );
  }
  const { altNames } = certificate;
  const named =
    mustBeFor === undefined ||
    altNames.dns.some((pattern) => dnsNameMatches(mustBeFor, pattern)) ||
    altNames.ip.includes(mustBeFor);
  if (!named || (rules.sans.length > 0 && !rules.sans.some((matches) => matches(altNames))))
    return refused("san", `SAN matcher, certificate SANs are [${allNames(altNames)}]`);
  if (!pins(rules) || rules.hashes.has(certificate.fingerprint256)) return undefined;
  if (rules.spkis.size > 0 && rules.spkis.has(spkiOf(certificate))) return undefined;
  return refused("hash", "cert hash and spki");
}

function refused(failure: Refusal["failure"], why: string): Refusal {
  return { accepted: false, failure, detail: verifyFailure(why) };
}

function spkiOf({ x509 }: Certificate): string {
  const der = x509.publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(der).digest("base64");
}

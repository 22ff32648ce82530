import type { Certificate } from "#net/certificate.ts";
import type { OwnCertificate } from "./certificates.ts";
import type { TlsFactoryContext } from "./common.ts";
import type { OcspStaple } from "./ocsp.ts";
import type { Validation } from "./validation.ts";

/** One certificate for /certs; plain data, because it crosses threads. */
export interface CertificateStatus {
  readonly path: string;
  readonly serialNumber: string;
  readonly names: readonly (readonly ["dns" | "uri" | "ip_address", string])[];
  readonly validFromMs: number;
  readonly validToMs: number;
  /** Of its OCSP staple; undefined: it has none that says until when. */
  readonly staple: { readonly validFromMs: number; readonly validUntilMs: number } | undefined;
}

/** What a TLS context has loaded. */
export interface ContextStatus {
  readonly authorities: readonly CertificateStatus[];
  readonly certificates: readonly CertificateStatus[];
}

export interface TlsContextHolder {
  /** Undefined: a secret has not come yet. */
  readonly status: ContextStatus | undefined;
  reload(directory: string): void;
}

/** Those that are in use. */
export interface TlsContexts {
  add(context: TlsContextHolder): void;
}

export function contextStatus(
  certificates: readonly OwnCertificate[],
  validation: Validation,
): ContextStatus {
  return {
    authorities: validation.authorities
      .slice(0, 1)
      .map((certificate) => certificateStatus(certificate, validation.origin, undefined)),
    certificates: certificates.map(({ certificate, origin, staple }) =>
      certificateStatus(certificate, origin, staple),
    ),
  };
}

function certificateStatus(
  certificate: Certificate,
  path: string,
  staple: OcspStaple | undefined,
): CertificateStatus {
  const { dns, uri, ip } = certificate.altNames;
  return {
    path,
    serialNumber: certificate.serial,
    names: [
      ...dns.map((name) => ["dns", name] as const),
      ...uri.map((name) => ["uri", name] as const),
      ...ip.map((name) => ["ip_address", name] as const),
    ],
    validFromMs: certificate.validFromMs,
    validToMs: certificate.validToMs,
    staple:
      staple?.validUntilMs === undefined
        ? undefined
        : { validFromMs: staple.validFromMs, validUntilMs: staple.validUntilMs },
  };
}

/** What Envoy calls a certificate that came without a name: part of the SHA-256 of nothing. */
const unnamed = "e3b0c442";

/** `ssl.certificate.<name>.expiration_unix_time_seconds` */
export function publishExpiry(
  { services, scope }: TlsFactoryContext,
  certificates: readonly OwnCertificate[],
  validation: Validation,
): void {
  if (services.workerIndex > 0) return;
  const set = (name: string, { validToMs }: Certificate): void =>
    scope
      .gauge(`ssl.certificate.${name}.expiration_unix_time_seconds`)
      .set(Math.floor(validToMs / 1000));
  for (const { name, certificate } of certificates)
    set(name === "" ? `unnamed_cert_${unnamed}` : name, certificate);
  const [authority] = validation.authorities;
  if (authority !== undefined) set(`unnamed_ca_cert_${unnamed}`, authority);
}

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { TlsCertificateJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { Certificate } from "#net/certificate.ts";
import type { KeyPair } from "#net/tls-context.ts";
import { readDataSource, type SourceBytes } from "./data-source.ts";
import { compileStaple, type OcspStaple } from "./ocsp.ts";

/** A certificate of ours, ready to be shown. */
export interface OwnCertificate {
  readonly pair: KeyPair;
  readonly certificate: Certificate;
  readonly chain: readonly Certificate[];
  readonly kind: "ecdsa" | "rsa";
  /** Where it came from, for /certs and messages. */
  readonly origin: string;
  /** The secret's name; "" when it stands in the configuration itself. */
  readonly name: string;
  readonly staple: OcspStaple | undefined;
}

const pemCertificate =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;
const curves: ReadonlySet<string> = new Set(["prime256v1", "secp384r1", "secp521r1"]);

/** Throws ConfigError that names the file and what is wrong with it. */
export function compileCertificate(config: TlsCertificateJson, name: string): OwnCertificate {
  const chain = within("certificate_chain", () => readDataSource(config.certificateChain));
  if (chain === undefined)
    throw refuse("certificate_chain", "No TLS certificates found for server context");
  const certificates = within("certificate_chain", () => parseCertificates(chain));
  const [certificate] = certificates;
  if (certificate === undefined)
    throw refuse("certificate_chain", `Failed to load certificate chain from ${chain.origin}`);
  const kind = within("certificate_chain", () => keyKind(certificate, chain));
  const key = within("private_key", () => readDataSource(config.privateKey));
  if (key === undefined)
    throw refuse("private_key", `Failed to load incomplete private key from ${chain.origin}`);
  const password = within("password", () => readDataSource(config.password));
  const passphrase = password?.bytes.toString();
  within("private_key", () => checkKey(certificate, key, passphrase));
  return {
    pair: { chain: chain.bytes.toString(), key: key.bytes.toString(), passphrase },
    certificate,
    chain: certificates,
    kind,
    origin: chain.origin,
    name,
    staple: within("ocsp_staple", () => stapleOf(config, certificate)),
  };
}

function stapleOf(config: TlsCertificateJson, certificate: Certificate): OcspStaple | undefined {
  const source = readDataSource(config.ocspStaple);
  return source === undefined ? undefined : compileStaple(source, certificate);
}

/** Every certificate of a PEM text. */
export function parseCertificates(source: SourceBytes): readonly Certificate[] {
  const blocks = source.bytes.toString().match(pemCertificate) ?? [];
  try {
    return blocks.map((block) => new Certificate(new X509Certificate(block)));
  } catch (error) {
    throw refuse("", `Failed to load certificate chain from ${source.origin}: ${reasonOf(error)}`);
  }
}

/** As Envoy: keys that browsers and BoringSSL would not take either. */
function keyKind({ x509 }: Certificate, { origin }: SourceBytes): "ecdsa" | "rsa" {
  const { asymmetricKeyType, asymmetricKeyDetails } = x509.publicKey;
  if (asymmetricKeyType === "ec") {
    if (curves.has(asymmetricKeyDetails?.namedCurve ?? "")) return "ecdsa";
    throw refuse(
      "",
      `Failed to load certificate chain from ${origin}, only P-256, P-384 or P-521 ECDSA certificates are supported`,
    );
  }
  if (asymmetricKeyType === "rsa" && (asymmetricKeyDetails?.modulusLength ?? 0) >= 2048)
    return "rsa";
  throw refuse(
    "",
    `Failed to load certificate chain from ${origin}, only RSA certificates with 2048-bit or larger keys are supported`,
  );
}

function checkKey(
  { x509 }: Certificate,
  { bytes, origin }: SourceBytes,
  passphrase: string | undefined,
): void {
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: bytes, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (error) {
    throw refuse("", `Failed to load private key from ${origin}: ${reasonOf(error)}`);
  }
  if (!x509.checkPrivateKey(key))
    throw refuse("", `Failed to load private key from ${origin}, Cause: KEY_VALUES_MISMATCH`);
}

/** OpenSSL's without the thread it puts first and the source file it puts last. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^[0-9A-F]+:(?=error:)/, "").replace(/:\.\.\/deps\/.*$/s, "");
}

import type { SecureVersion } from "node:tls";
import type {
  TlsParametersJson,
  TlsParameters_TlsProtocolJson as TlsProtocol,
} from "#gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js";
import { refuse } from "#lib/config-error.ts";
import { nodeTls } from "#net/node-tls.ts";

export interface Parameters {
  readonly minVersion: SecureVersion;
  readonly maxVersion: SecureVersion;
  /** OpenSSL's cipher string for TLS 1.2 and below. */
  readonly ciphers: string;
  readonly curves: readonly string[];
  readonly signatureAlgorithms: readonly string[];
}

const versions: Readonly<Partial<Record<string, SecureVersion>>> = {
  TLSv1_0: "TLSv1",
  TLSv1_1: "TLSv1.1",
  TLSv1_2: "TLSv1.2",
  TLSv1_3: "TLSv1.3",
};
const order: readonly SecureVersion[] = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

/** Envoy's; brackets are groups of equal preference. */
const defaultCiphers: readonly string[] = [
  "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]",
  "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
];
const defaultCurves: readonly string[] = ["X25519MLKEM768", "X25519", "P-256"];

export function compileParameters(
  config: TlsParametersJson | undefined,
  side: "server" | "client",
): Parameters {
  const minVersion = version(config?.tlsMinimumProtocolVersion, "TLSv1.2");
  const maxVersion = version(
    config?.tlsMaximumProtocolVersion,
    side === "server" ? "TLSv1.3" : "TLSv1.2",
  );
  if (order.indexOf(minVersion) > order.indexOf(maxVersion))
    throw refuse(
      "tls_minimum_protocol_version",
      `${minVersion} is above the maximum ${maxVersion}`,
    );
  const curves = list(config?.ecdhCurves, defaultCurves);
  checkCurves(curves);
  const signatureAlgorithms = config?.signatureAlgorithms ?? [];
  checkSignatureAlgorithms(signatureAlgorithms);
  return {
    minVersion,
    maxVersion,
    ciphers: ciphers(list(config?.cipherSuites, defaultCiphers), minVersion),
    curves,
    signatureAlgorithms,
  };
}

function list(
  given: readonly string[] | undefined,
  fallback: readonly string[],
): readonly string[] {
  return given === undefined || given.length === 0 ? fallback : given;
}

function version(given: TlsProtocol | undefined, fallback: SecureVersion): SecureVersion {
  return versions[given ?? "TLS_AUTO"] ?? fallback;
}

/**
 * OpenSSL has no groups of equal preference, but what Envoy has them for: a client that would rather have ChaCha20 gets it
 * (SSL_OP_PRIORITIZE_CHACHA).
 */
function ciphers(suites: readonly string[], minVersion: SecureVersion): string {
  const names = suites.flatMap((suite) => suite.split(":")).flatMap(group);
  const unknown = names.filter((name) => !isCipher(name.replace(/^[-!+]/, "")));
  if (unknown.length > 0) {
    throw refuse(
      "cipher_suites",
      `Failed to initialize cipher suites ${suites.join(":")}. The following ciphers were rejected when tried individually: ${unknown.join(", ")}`,
    );
  }
  // TLS 1.0 and 1.1 sign with SHA-1, which OpenSSL allows only at its lowest level.
  return order.indexOf(minVersion) < order.indexOf("TLSv1.2")
    ? `${names.join(":")}:@SECLEVEL=0`
    : names.join(":");
}

function group(suite: string): readonly string[] {
  return suite.startsWith("[") && suite.endsWith("]") ? suite.slice(1, -1).split("|") : [suite];
}

function isCipher(name: string): boolean {
  return !name.startsWith("TLS_") && isAccepted({ ciphers: name });
}

function checkCurves(curves: readonly string[]): void {
  if (curves.every((curve) => isAccepted({ ecdhCurve: curve }))) return;
  throw refuse("ecdh_curves", `Failed to initialize ECDH curves ${curves.join(":")}`);
}

function checkSignatureAlgorithms(algorithms: readonly string[]): void {
  if (algorithms.every((algorithm) => isAccepted({ sigalgs: algorithm }))) return;
  throw refuse(
    "signature_algorithms",
    `Failed to initialize TLS signature algorithms ${algorithms.join(":")}`,
  );
}

/** OpenSSL itself is asked, once for each distinct name of a configuration. */
function isAccepted(options: { ciphers?: string; ecdhCurve?: string; sigalgs?: string }): boolean {
  try {
    nodeTls().createSecureContext({ ...options, ca: [] });
    return true;
  } catch {
    return false;
  }
}

import { constants, randomBytes } from "node:crypto";
import type { SecureVersion } from "node:tls";
import { type NativeSecureContext, nativeContext } from "./native-tls.ts";
import { nodeTls } from "./node-tls.ts";
import { tuneVerify, type VerifyTuning } from "./openssl.ts";

/** A certificate with its chain and key, PEM. */
export interface KeyPair {
  readonly chain: string;
  readonly key: string;
  readonly passphrase: string | undefined;
}

/** One secret of 48 bytes each for tickets: name, HMAC key, AES key of 16 bytes. The first makes tickets, all open them. */
export type TicketKeys = readonly Uint8Array[];

/** Everything of a TLS context that OpenSSL itself decides. */
export interface ContextOptions {
  readonly isServer: boolean;
  readonly minVersion: SecureVersion;
  readonly maxVersion: SecureVersion;
  /** OpenSSL's cipher string for TLS 1.2 and below. */
  readonly ciphers: string;
  readonly curves: readonly string[];
  readonly signatureAlgorithms: readonly string[];
  /** At most one for each kind of key. */
  readonly certificates: readonly KeyPair[];
  /** PEM; undefined: nobody is trusted. */
  readonly trustedAuthorities: string | undefined;
  readonly revocationList: string | undefined;
  readonly verify: VerifyTuning;
  readonly tickets: boolean;
  readonly ticketKeys: TicketKeys;
  readonly sessionTimeoutSeconds: number | undefined;
  /** At most 32 bytes; sessions of one context are refused by another. */
  readonly sessionIdContext: string;
  readonly renegotiation: boolean;
  readonly preferClientCiphers: boolean;
}

/** BoringSSL's, which Envoy cannot change. */
const tls13Ciphers = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/** Throws OpenSSL's own error. */
export function makeContext(options: ContextOptions): NativeSecureContext {
  const { ciphers, curves, signatureAlgorithms, certificates, trustedAuthorities } = options;
  const context = nodeTls().createSecureContext({
    minVersion: options.minVersion,
    maxVersion: options.maxVersion,
    ciphers: `${tls13Ciphers}:${ciphers}`,
    ecdhCurve: curves.join(":"),
    ...(signatureAlgorithms.length > 0 ? { sigalgs: signatureAlgorithms.join(":") } : {}),
    cert: certificates.map(({ chain }) => chain),
    key: certificates.map(({ key, passphrase }) => ({ pem: key, passphrase })),
    // An empty list trusts nobody; none at all would trust the runtime's own roots.
    ca: trustedAuthorities ?? [],
    allowPartialTrustChain: true,
    ...(options.revocationList === undefined ? {} : { crl: options.revocationList }),
    secureOptions: secureOptions(options),
    ...(options.isServer ? { sessionIdContext: options.sessionIdContext } : {}),
    ...(options.sessionTimeoutSeconds === undefined
      ? {}
      : { sessionTimeout: options.sessionTimeoutSeconds }),
  });
  const native = nativeContext(context);
  tuneVerify(native, options.verify);
  if (options.isServer && options.tickets) useTicketKeys(native, options.ticketKeys);
  return native;
}

function secureOptions({
  isServer,
  tickets,
  renegotiation,
  preferClientCiphers,
}: ContextOptions): number {
  let bits = constants.SSL_OP_NO_COMPRESSION | constants.SSL_OP_PRIORITIZE_CHACHA;
  if (isServer && !preferClientCiphers) bits |= constants.SSL_OP_CIPHER_SERVER_PREFERENCE;
  if (isServer && !tickets) bits |= constants.SSL_OP_NO_TICKET;
  // RFC 5746; the type definitions leave the constant out.
  if (!renegotiation)
    bits |= (constants as unknown as Record<string, number>)["SSL_OP_NO_RENEGOTIATION"] ?? 0;
  return bits;
}

const unknownKey = 0;
const useKey = 1;
const useAndRenew = 2;

/** None: OpenSSL makes a key of its own for the context. */
function useTicketKeys(context: NativeSecureContext, keys: TicketKeys): void {
  const parts = keys.map((key) => ({
    name: Buffer.from(key.subarray(0, 16)),
    hmac: Buffer.from(key.subarray(16, 32)),
    aes: Buffer.from(key.subarray(32, 48)),
  }));
  const [newest] = parts;
  if (newest === undefined) return;
  context.onticketkeycallback = (name, _iv, encrypt) => {
    if (encrypt) return [useKey, newest.hmac, newest.aes, newest.name, randomBytes(16)];
    const known = parts.find((part) => part.name.equals(name));
    // The runtime looks at the keys even then.
    if (known === undefined) return [unknownKey, newest.hmac, newest.aes];
    // RFC 8446 appendix C.4: a client uses a ticket of TLS 1.3 once, so whoever resumes needs the next.
    return [useAndRenew, known.hmac, known.aes];
  };
  context.enableTicketKeyCallback();
}

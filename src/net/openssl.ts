/**
 * What OpenSSL can do and the runtime does not offer, called by FFI on the runtime's own OpenSSL while a configuration is compiled, never
 * on the data path (docs/decisions/native-tls.md).
 */
import { createRequire } from "node:module";
import { inspect } from "node:util";
import type { NativeSecureContext } from "./native-tls.ts";

export interface VerifyTuning {
  /** Certificates above the leaf, the trust anchor included. */
  readonly depth: number | undefined;
  readonly ignoreTime: boolean;
  readonly crlOfLeafOnly: boolean;
}

interface OpenSsl {
  SSL_CTX_set_verify_depth(context: bigint, depth: number): void;
  SSL_CTX_get0_param(context: bigint): unknown;
  SSL_CTX_get_cert_store(context: bigint): unknown;
  X509_STORE_get0_param(store: unknown): unknown;
  X509_VERIFY_PARAM_set_flags(parameters: unknown, flags: number): number;
  X509_VERIFY_PARAM_clear_flags(parameters: unknown, flags: number): number;
}

/** openssl/x509_vfy.h */
const crlCheckAll = 0x8;
const noCheckTime = 0x20_0000;

let loaded: OpenSsl | undefined;

function openSsl(): OpenSsl {
  if (loaded !== undefined) return loaded;
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const library = koffi.load(null);
  const signatures = {
    SSL_CTX_set_verify_depth: "void SSL_CTX_set_verify_depth(uintptr_t, int)",
    SSL_CTX_get0_param: "void *SSL_CTX_get0_param(uintptr_t)",
    SSL_CTX_get_cert_store: "void *SSL_CTX_get_cert_store(uintptr_t)",
    X509_STORE_get0_param: "void *X509_STORE_get0_param(void *)",
    X509_VERIFY_PARAM_set_flags: "int X509_VERIFY_PARAM_set_flags(void *, unsigned long)",
    X509_VERIFY_PARAM_clear_flags: "int X509_VERIFY_PARAM_clear_flags(void *, unsigned long)",
  } as const;
  loaded = Object.fromEntries(
    Object.entries(signatures).map(([name, signature]) => [name, library.func(signature)]),
    // The names and types above are the interface's.
  ) as unknown as OpenSsl;
  return loaded;
}

/** The context's SSL_CTX. Valid as long as the context is held. */
function addressOf(context: NativeSecureContext): bigint {
  const [, address] = /([0-9a-f]+)\]$/.exec(inspect(context._external)) ?? [];
  if (address === undefined) throw new Error("the runtime's secure context has no address");
  return BigInt(`0x${address}`);
}

/** Before the context's first connection. Nothing is loaded when nothing is asked for. */
export function tuneVerify(context: NativeSecureContext, tuning: VerifyTuning): void {
  const { depth, ignoreTime, crlOfLeafOnly } = tuning;
  if (depth === undefined && !ignoreTime && !crlOfLeafOnly) return;
  const ssl = openSsl();
  const address = addressOf(context);
  // OpenSSL does not count the trust anchor.
  if (depth !== undefined) ssl.SSL_CTX_set_verify_depth(address, Math.max(0, depth - 1));
  if (ignoreTime) ssl.X509_VERIFY_PARAM_set_flags(ssl.SSL_CTX_get0_param(address), noCheckTime);
  if (!crlOfLeafOnly) return;
  const store = ssl.X509_STORE_get0_param(ssl.SSL_CTX_get_cert_store(address));
  ssl.X509_VERIFY_PARAM_clear_flags(store, crlCheckAll);
}

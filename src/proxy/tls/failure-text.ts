/**
 * Handshake failures in Envoy's words, which people search their logs for: `TLS_error:|NUMBER:SSL routines:OPENSSL_internal:REASON:TLS_error_end`.
 */

/** BoringSSL numbers its errors from here: the library, shifted. */
const base = 16 << 24;
const certificateVerifyFailed = 125;
/** BoringSSL's numbers of those reasons that OpenSSL has too; alerts are 1000 and their own in both. */
const reasons: Readonly<Partial<Record<string, number>>> = {
  HTTP_REQUEST: 155,
  HTTPS_PROXY_REQUEST: 156,
  NO_SHARED_CIPHER: 184,
  PEER_DID_NOT_RETURN_A_CERTIFICATE: 192,
  UNSUPPORTED_PROTOCOL: 240,
  WRONG_VERSION_NUMBER: 247,
  NO_SUITABLE_SIGNATURE_ALGORITHM: 253,
};
const renamed: Readonly<Partial<Record<string, string>>> = {
  NO_SUITABLE_SIGNATURE_ALGORITHM: "NO_COMMON_SIGNATURE_ALGORITHMS",
  PEER_DID_NOT_RETURN_A_CERTIFICATE:
    "PEER_DID_NOT_RETURN_A_CERTIFICATE:peer did not provide required client certificate",
};

export function verifyFailure(why: string): string {
  return wrapped(certificateVerifyFailed, `CERTIFICATE_VERIFY_FAILED:verify cert failed: ${why}`);
}

/** Of OpenSSL's error as the runtime gives it: `code` is `ERR_SSL_` and the reason, the message has its number. */
export function handshakeFailure(error: Error & { readonly code?: string }): string {
  const reason = (error.code ?? "")
    .replace(/^ERR_SSL_/, "")
    .replace("SSL/TLS_", "SSLV3_")
    .replace("TLSV13_", "TLSV1_");
  const [, hexadecimal = "0"] = /error:0A([0-9A-F]{6}):/.exec(error.message) ?? [];
  const number = Number.parseInt(hexadecimal, 16);
  return wrapped(number >= 1000 ? number : (reasons[reason] ?? number), renamed[reason] ?? reason);
}

function wrapped(reason: number, text: string): string {
  return `TLS_error:|${base + reason}:SSL routines:OPENSSL_internal:${text}:TLS_error_end`;
}

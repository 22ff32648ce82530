import { createRequire } from "node:module";
import type { BasicOCSPResponse, OCSPResponse } from "@peculiar/asn1-ocsp";
import type { DownstreamTlsContext_OcspStaplePolicyJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import { refuse } from "#lib/config-error.ts";
import type { Certificate } from "#net/certificate.ts";
import type { SourceBytes } from "./data-source.ts";

export type StaplePolicy = DownstreamTlsContext_OcspStaplePolicyJson;

/** An OCSP response (RFC 6960) for one certificate, to be sent in the handshake (RFC 6066 §8). */
export interface OcspStaple {
  readonly bytes: Uint8Array;
  /** Milliseconds since 1970 of its nextUpdate; undefined: newer information is always there, so it is never good. */
  readonly validUntilMs: number | undefined;
  readonly validFromMs: number;
}

/** What a handshake does about a staple. */
export type StapleAction = "staple" | "omit" | "fail";

/** RFC 6960 §4.2.1: id-pkix-ocsp-basic, and the status of a response that has one. */
const basicResponse = "1.3.6.1.5.5.7.48.1.1";
const successful = 0;

/** Loaded with the first staple: few have one, and the reader of ASN.1 is not small. */
function library(): {
  readonly ocsp: typeof import("@peculiar/asn1-ocsp");
  readonly schema: typeof import("@peculiar/asn1-schema");
} {
  const require = createRequire(import.meta.url);
  return { ocsp: require("@peculiar/asn1-ocsp"), schema: require("@peculiar/asn1-schema") };
}

/** Throws ConfigError with Envoy's words. */
export function compileStaple(source: SourceBytes, certificate: Certificate): OcspStaple {
  const basic = parse(source);
  const [single, ...others] = [...basic.tbsResponseData.responses];
  if (single === undefined || others.length > 0)
    throw refuse("", "OCSP Response must be for one certificate only");
  const serial = Buffer.from(single.certID.serialNumber).toString("hex").replace(/^0+/, "");
  if (serial.toUpperCase() !== certificate.x509.serialNumber.replace(/^0+/, ""))
    throw refuse("", "OCSP response does not match its TLS certificate");
  return {
    bytes: source.bytes,
    validFromMs: single.thisUpdate.getTime(),
    validUntilMs: single.nextUpdate?.getTime(),
  };
}

function parse({ bytes, origin }: SourceBytes): BasicOCSPResponse {
  const { ocsp, schema } = library();
  let response: OCSPResponse;
  try {
    response = schema.AsnConvert.parse(bytes, ocsp.OCSPResponse);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw refuse("", `Failed to parse the OCSP response of ${origin}: ${reason}`);
  }
  if (Number(response.responseStatus) !== successful)
    throw refuse("", "OCSP response was unsuccessful");
  const held = response.responseBytes;
  if (held === undefined) throw refuse("", "OCSP response has no body");
  if (held.responseType !== basicResponse)
    throw refuse("", `Unknown OCSP Response type with OID: ${held.responseType}`);
  return schema.AsnConvert.parse(held.response.buffer, ocsp.BasicOCSPResponse);
}

function isExpired({ validFromMs, validUntilMs }: OcspStaple, nowMs: number): boolean {
  return validUntilMs === undefined || nowMs < validFromMs || nowMs > validUntilMs;
}

/** Envoy's table; `asked`: the client sent status_request. */
export function stapleAction(
  staple: OcspStaple | undefined,
  context: {
    readonly policy: StaplePolicy;
    readonly mustStaple: boolean;
    readonly asked: boolean;
    readonly nowMs: number;
  },
): StapleAction {
  if (!context.asked) return "omit";
  const usable = staple !== undefined && !isExpired(staple, context.nowMs);
  if (usable) return "staple";
  if (context.mustStaple || context.policy === "MUST_STAPLE") return "fail";
  return context.policy === "STRICT_STAPLING" && staple !== undefined ? "fail" : "omit";
}

/** RFC 7633: the certificate's owner wants it shown with a staple only (TLS feature 5, status_request). */
export function mustStaple({ x509 }: Certificate): boolean {
  return x509.raw.includes(tlsFeatureStatusRequest);
}

/** The extension's OID 1.3.6.1.5.5.7.1.24 and its value, a sequence of the one integer 5. */
const tlsFeatureStatusRequest = Buffer.from("06082b0601050507011804053003020105", "hex");

import type { HeaderList } from "#http/headers.ts";

/** The gRPC status codes (grpc/doc/statuscodes.md). */
export const GrpcCode = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

/** How a call ended. `details`: a serialised google.rpc.Status (grpc-status-details-bin). */
export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
  readonly details?: Uint8Array | undefined;
}

export const okStatus: GrpcStatus = { code: GrpcCode.ok, message: "" };

/** A status that is not OK, to throw in a method or to catch from a call. */
export class GrpcError extends Error implements GrpcStatus {
  readonly code: number;
  readonly details: Uint8Array | undefined;
  /** Trailers that came or go with it. */
  readonly trailers: HeaderList | undefined;

  constructor(
    code: number,
    message: string,
    more: { details?: Uint8Array; trailers?: HeaderList; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause });
    this.name = "GrpcError";
    this.code = code;
    this.details = more.details;
    this.trailers = more.trailers;
  }
}

/** The gRPC protocol's table for an HTTP status that comes without grpc-status. */
export function grpcStatusOfHttp(status: number): number {
  switch (status) {
    case 400:
      return GrpcCode.internal;
    case 401:
      return GrpcCode.unauthenticated;
    case 403:
      return GrpcCode.permissionDenied;
    case 404:
      return GrpcCode.unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return GrpcCode.unavailable;
    default:
      return GrpcCode.unknown;
  }
}

/** `application/grpc` or `application/grpc+…`. */
export function isGrpcContentType(value: string | undefined): boolean {
  if (!value?.startsWith("application/grpc")) return false;
  return value.length === 16 || value.charCodeAt(16) === 0x2b;
}

const wholeNumber = /^[0-9]{1,10}$/;

/** The value of a grpc-status field; undefined when it is absent or not a number. */
export function parseStatusCode(value: string | undefined): number | undefined {
  return value !== undefined && wholeNumber.test(value) ? Number(value) : undefined;
}

/** Status-Message: bytes outside space to "~", and "%", as %XX. */
export function encodeStatusMessage(text: string): string {
  if (/^[ -$&-~]*$/.test(text)) return text;
  let encoded = "";
  for (const byte of Buffer.from(text, "utf8")) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += plain
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

/** The other way; what is not an escape stays as it is, as the protocol demands. */
export function decodeStatusMessage(text: string): string {
  if (!text.includes("%")) return text;
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at++) {
    const hex = text.charCodeAt(at) === 0x25 ? text.slice(at + 1, at + 3) : "";
    if (/^[0-9A-Fa-f]{2}$/.test(hex)) {
      bytes.push(Number.parseInt(hex, 16));
      at += 2;
    } else bytes.push(text.charCodeAt(at) & 0xff);
  }
  return Buffer.from(bytes).toString("utf8");
}

/** Writes a status as trailers; the code always, the others when they say something. */
export function addStatus(trailers: HeaderList, status: GrpcStatus): void {
  trailers.set("grpc-status", String(status.code));
  if (status.message !== "") trailers.set("grpc-message", encodeStatusMessage(status.message));
  if (status.details !== undefined)
    trailers.set("grpc-status-details-bin", encodeBinary(status.details));
}

/** The status in trailers (or in a trailers-only head); undefined when there is none. */
export function readStatus(trailers: HeaderList): GrpcStatus | undefined {
  const code = parseStatusCode(trailers.get("grpc-status"));
  if (code === undefined) return undefined;
  const details = trailers.get("grpc-status-details-bin");
  return {
    code,
    message: decodeStatusMessage(trailers.get("grpc-message") ?? ""),
    details: details === undefined ? undefined : decodeBinary(details),
  };
}

/** The value of a `-bin` field: base64, without padding as most senders do. */
export function encodeBinary(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replace(/=+$/, "");
}

export function decodeBinary(value: string): Uint8Array {
  return Buffer.from(value, "base64");
}

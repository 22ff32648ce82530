import type { StreamInfo } from "../stream-info.ts";

/** Names by number, in the two spellings of GRPC_STATUS. */
export const grpcStatusNames: readonly (readonly [camel: string, snake: string])[] = [
  ["OK", "OK"],
  ["Canceled", "CANCELED"],
  ["Unknown", "UNKNOWN"],
  ["InvalidArgument", "INVALID_ARGUMENT"],
  ["DeadlineExceeded", "DEADLINE_EXCEEDED"],
  ["NotFound", "NOT_FOUND"],
  ["AlreadyExists", "ALREADY_EXISTS"],
  ["PermissionDenied", "PERMISSION_DENIED"],
  ["ResourceExhausted", "RESOURCE_EXHAUSTED"],
  ["FailedPrecondition", "FAILED_PRECONDITION"],
  ["Aborted", "ABORTED"],
  ["OutOfRange", "OUT_OF_RANGE"],
  ["Unimplemented", "UNIMPLEMENTED"],
  ["Internal", "INTERNAL"],
  ["Unavailable", "UNAVAILABLE"],
  ["DataLoss", "DATA_LOSS"],
  ["Unauthenticated", "UNAUTHENTICATED"],
];

/** The gRPC protocol's table for an HTTP status that comes without grpc-status. */
export function grpcStatusOfHttp(status: number): number {
  switch (status) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

/** `application/grpc` or `application/grpc+…`. */
export function isGrpcContentType(value: string | undefined): boolean {
  if (!value?.startsWith("application/grpc")) return false;
  return value.length === 16 || value.charCodeAt(16) === 0x2b;
}

const wholeNumber = /^[0-9]{1,10}$/;

function statusIn(value: string | undefined): number | undefined {
  return value !== undefined && wholeNumber.test(value) ? Number(value) : undefined;
}

/** From trailers, else headers, else the HTTP status; undefined when the request is not gRPC. */
export function grpcStatusOf(info: StreamInfo): number | undefined {
  if (!isGrpcContentType(info.requestHead?.get("content-type"))) return undefined;
  return (
    statusIn(info.responseTrailers?.get("grpc-status")) ??
    statusIn(info.responseHead?.get("grpc-status")) ??
    grpcStatusOfHttp(info.responseCode)
  );
}

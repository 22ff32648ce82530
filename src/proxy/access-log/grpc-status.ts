import { grpcStatusOfHttp, isGrpcContentType, parseStatusCode } from "#grpc/status.ts";
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

/** From trailers, else headers, else the HTTP status; undefined when the request is not gRPC. */
export function grpcStatusOf(info: StreamInfo): number | undefined {
  if (!isGrpcContentType(info.requestHead?.get("content-type"))) return undefined;
  return (
    parseStatusCode(info.responseTrailers?.get("grpc-status")) ??
    parseStatusCode(info.responseHead?.get("grpc-status")) ??
    grpcStatusOfHttp(info.responseCode)
  );
}

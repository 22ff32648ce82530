import { GrpcCode, isGrpcContentType, parseStatusCode } from "#grpc/status.ts";
import type { RequestHead, ResponseHead } from "#http/message.ts";

/** Of a gRPC call that ends with its head: the HTTP status that its grpc-status stands for. */
export function grpcHeadStatus(request: RequestHead, response: ResponseHead): number | undefined {
  const text = response.headers.get("grpc-status");
  if (text === undefined || !isGrpcContentType(request.headers.get("content-type")))
    return undefined;
  return httpStatusOfGrpc(parseStatusCode(text));
}

/** google/rpc/code.proto's HTTP mapping; a status that is no number is an unknown error. */
function httpStatusOfGrpc(code: number | undefined): number {
  switch (code) {
    case GrpcCode.ok:
      return 200;
    case GrpcCode.invalidArgument:
    case GrpcCode.failedPrecondition:
    case GrpcCode.outOfRange:
      return 400;
    case GrpcCode.unauthenticated:
      return 401;
    case GrpcCode.permissionDenied:
      return 403;
    case GrpcCode.notFound:
      return 404;
    case GrpcCode.alreadyExists:
    case GrpcCode.aborted:
      return 409;
    case GrpcCode.resourceExhausted:
      return 429;
    case GrpcCode.cancelled:
      return 499;
    case GrpcCode.unimplemented:
      return 501;
    case GrpcCode.unavailable:
      return 503;
    case GrpcCode.deadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

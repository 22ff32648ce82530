import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { GrpcCode, GrpcError } from "./status.ts";

/** Throws GrpcError when the bytes are not a `type`. */
export function decodeMessage<D extends DescMessage>(type: D, bytes: Uint8Array): MessageShape<D> {
  try {
    return fromBinary<D>(type, bytes);
  } catch (cause) {
    throw notDecoded(type, cause);
  }
}

function notDecoded(type: DescMessage, cause: unknown): GrpcError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new GrpcError(GrpcCode.internal, `received bytes are not a ${type.typeName}: ${reason}`, {
    cause,
  });
}

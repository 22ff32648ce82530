import { toJson } from "@bufbuild/protobuf";
import { type Node, type NodeJson, NodeSchema } from "#gen/envoy/config/core/v3/base_pb.js";
import { registry } from "#gen/registry.js";
import { GrpcCode, GrpcError } from "#grpc/status.ts";

/** Who a client says it is, as ProtoJSON; without the list of its extensions, which nobody asks for and every stream would keep. */
export function nodeJson(node: Node | undefined): NodeJson {
  if (node === undefined) return {};
  node.extensions = [];
  try {
    // Proof: with a registry the compiler does not see that the schema tells the type.
    return toJson(NodeSchema, node, { registry }) as NodeJson;
  } catch (cause) {
    throw unreadable(cause);
  }
}

function unreadable(cause: unknown): GrpcError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new GrpcError(GrpcCode.invalidArgument, `the node cannot be read: ${reason}`, { cause });
}

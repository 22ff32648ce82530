import { create } from "@bufbuild/protobuf";
import type { Node } from "#gen/envoy/config/core/v3/base_pb.js";
import type { Status } from "#gen/google/rpc/status_pb.js";
import { StatusSchema } from "#gen/google/rpc/status_pb.js";
import { type Incoming, printProblems, type Verdict } from "./incoming.ts";
import type { TypeState } from "./type-state.ts";

/** Who asks. */
export interface NodeOptions {
  readonly node: Node;
  /** `set_node_on_first_message_only`: the node is known for as long as the stream lives. */
  readonly nodeOnFirstMessageOnly: boolean;
}

/**
 * The xDS transport protocol on one stream: no socket, no timer. Whoever has the stream asks `next` what to send, again and again until there
 * is nothing, each time something has changed: at the begin, after a verdict, when somebody wants something else.
 */
export interface Protocol<Request, Response> {
  next(): Request | undefined;
  /** Requests that would be sent now. */
  readonly due: number;
  /** Undefined: an answer for a type that nobody has asked for. */
  receive(response: Response): Incoming | undefined;
  /** What became of the answer that came last for a type. */
  settle(typeUrl: string, verdict: Verdict): void;
}

/** The types of a stream, in the order in which they are asked for. */
export type StreamTypes = () => readonly TypeState[];

/** google.rpc.Code INTERNAL, as Envoy's. */
const internal = 13;

export function errorDetail({ problems }: Verdict): Status | undefined {
  if (problems.length === 0) return undefined;
  return create(StatusSchema, { code: internal, message: printProblems(problems) });
}

/** In a list of names: everything. */
export const wildcardName = "*";

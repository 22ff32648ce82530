/** Short spellings of gRPC calls. */
import type { Field } from "../../../testkit/http2/header-stories.ts";
import { request } from "./http2.ts";

/** A message with its prefix. */
export function message(text: string): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(text.length, 1);
  return Buffer.concat([prefix, Buffer.from(text)]);
}

/** A call of `heddle.Test/Call`. */
export const grpcRequest = (...more: readonly Field[]): readonly Field[] =>
  request(
    "POST",
    "/heddle.Test/Call",
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ...more,
  );

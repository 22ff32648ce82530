/** A gRPC program without a proxy: calls what its parent says, by xDS, and reports who answered or the code. */
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { register } from "@grpc/grpc-js-xds";

export interface GrpcCall {
  readonly id: number;
  readonly target: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface GrpcAnswer {
  readonly id: number;
  /** The workload's name; undefined: it failed. */
  readonly from: string | undefined;
  readonly code: number;
  readonly details: string;
}

const same = (bytes: Buffer): Buffer => bytes;
const clients = new Map<string, Client>();

register();
process.on("message", ({ id, target, metadata }: GrpcCall) => {
  const client = clients.get(target) ?? new Client(target, credentials.createInsecure());
  clients.set(target, client);
  const headers = new Metadata();
  for (const [name, value] of Object.entries(metadata)) headers.set(name, value);
  const deadline = Date.now() + 10_000;
  const path = "/heddle.Test/Name";
  client.makeUnaryRequest(
    path,
    same,
    same,
    Buffer.alloc(0),
    headers,
    { deadline },
    (error, reply) => {
      const answer: GrpcAnswer = {
        id,
        from: error === null ? String(reply) : undefined,
        code: error?.code ?? 0,
        details: error?.details ?? "",
      };
      process.send?.(answer);
    },
  );
});

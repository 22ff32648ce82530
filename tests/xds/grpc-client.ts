/** Calls /heddle.Test/Name at its argument whenever its parent says so, and reports the answer. */
import { Client, credentials } from "@grpc/grpc-js";
import { register } from "@grpc/grpc-js-xds";

const same = (bytes: Buffer): Buffer => bytes;

register();
const client = new Client(process.argv[2] ?? "", credentials.createInsecure());
process.on("message", () => {
  client.makeUnaryRequest("/heddle.Test/Name", same, same, Buffer.alloc(0), (error, reply) => {
    process.send?.(error === null ? String(reply) : error.message);
  });
});

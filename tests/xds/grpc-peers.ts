/** Peers that speak gRPC: a service, and a client that resolves xds:/// names. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { Server, ServerCredentials } from "@grpc/grpc-js";

const same = (bytes: Buffer): Buffer => bytes;

/** Answers `/heddle.Test/Name`; resolves with its port. */
export async function startService(t: TestContext, answer: string): Promise<number> {
  const server = new Server();
  const method = {
    path: "/heddle.Test/Name",
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  server.addService(
    { Name: method },
    {
      Name: (_call: unknown, callback: (error: null, reply: Buffer) => void) =>
        callback(null, Buffer.from(answer)),
    },
  );
  t.after(() => server.forceShutdown());
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}

/** The client reads its bootstrap from the environment when it is loaded: it has a process of its own. */
export function startClient(
  t: TestContext,
  xdsPort: number,
  {
    target = "xds:///web",
    node = { id: "grpc-client" },
  }: { readonly target?: string; readonly node?: object } = {},
): () => Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "heddle-grpc-xds-"));
  const file = join(folder, "bootstrap.json");
  const server = {
    server_uri: `127.0.0.1:${xdsPort}`,
    channel_creds: [{ type: "insecure" }],
    server_features: ["xds_v3"],
  };
  writeFileSync(file, JSON.stringify({ xds_servers: [server], node: { locality: {}, ...node } }));
  const client = fork(join(import.meta.dirname, "grpc-client.ts"), [target], {
    env: { GRPC_XDS_BOOTSTRAP: file },
  });
  t.after(async () => {
    client.kill();
    await once(client, "exit");
    rmSync(folder, { recursive: true, force: true });
  });
  return async (): Promise<string> => {
    const answered = once(client, "message");
    client.send("call");
    const [answer] = await answered;
    return String(answer);
  };
}

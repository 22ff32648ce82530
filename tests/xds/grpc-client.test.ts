/** A real proxyless gRPC client (@grpc/grpc-js-xds): it resolves xds:/// targets through our server. */
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import {
  clusterType,
  endpointType,
  listenerType,
  type ResourceType,
  routeType,
} from "#xds/resource-type.ts";
import { FixedSource } from "../../testkit/xds/fixed-source.ts";
import { apiListener, assignment, edsCluster, routeTo } from "./resources.ts";
import { startXds } from "./xds-server.ts";

const same = (bytes: Buffer): Buffer => bytes;

async function startService(t: TestContext, answer: string): Promise<number> {
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
function startClient(t: TestContext, xdsPort: number) {
  const folder = mkdtempSync(join(tmpdir(), "heddle-grpc-xds-"));
  const file = join(folder, "bootstrap.json");
  const server = {
    server_uri: `127.0.0.1:${xdsPort}`,
    channel_creds: [{ type: "insecure" }],
    server_features: ["xds_v3"],
  };
  writeFileSync(
    file,
    JSON.stringify({ xds_servers: [server], node: { id: "grpc-client", locality: {} } }),
  );
  const client = fork(join(import.meta.dirname, "grpc-client.ts"), ["xds:///web"], {
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

const world = (cluster: string, port: number): ReadonlyMap<ResourceType, readonly object[]> =>
  new Map<ResourceType, readonly object[]>([
    [clusterType, [edsCluster(cluster)]],
    [endpointType, [assignment(cluster, [port])]],
    [listenerType, [apiListener("web", "main")]],
    [routeType, [routeTo("main", cluster)]],
  ]);

test("a gRPC client resolves, follows endpoints and routes, and refuses nothing", async (t) => {
  const source = new FixedSource(world("one", await startService(t, "one")));
  const { port } = await startXds(t, source);
  const call = startClient(t, port);
  assert.equal(await call(), "one");

  source.set(new Map([[endpointType, [assignment("one", [await startService(t, "two")])]]]));
  while ((await call()) !== "two");

  source.set(world("three", await startService(t, "three")));
  while ((await call()) !== "three");

  await source.settled(clusterType, endpointType, listenerType, routeType);
  const refused = source.answers
    .map(({ answer }) => answer.refused)
    .filter((one) => one !== undefined);
  assert.deepEqual(refused, []);
});

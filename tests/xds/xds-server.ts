import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { GrpcServer } from "#grpc/server.ts";
import { systemClock } from "#lib/clock.ts";
import { systemRandom } from "#lib/random.ts";
import { ipAddress } from "#net/address.ts";
import { RestDiscovery } from "#xds/rest.ts";
import { XdsServer } from "#xds/server.ts";
import type { FixedSource } from "../../testkit/xds/fixed-source.ts";

export interface RunningXds {
  readonly xds: XdsServer;
  readonly port: number;
}

/** The source behind a real gRPC socket. */
export async function startXds(t: TestContext, source: FixedSource): Promise<RunningXds> {
  const xds = new XdsServer({ clock: systemClock, source });
  const grpc = new GrpcServer({ clock: systemClock, random: systemRandom });
  xds.register(grpc);
  const { port } = await grpc.listen(ipAddress("127.0.0.1", 0));
  t.after(async () => {
    xds.close();
    await grpc.close();
  });
  return { xds, port };
}

/** The source behind REST; `asked` counts what was answered with resources and what with 304. */
export async function startRest(
  t: TestContext,
  source: FixedSource,
): Promise<{ readonly port: number; readonly asked: Map<number, number> }> {
  const rest = new RestDiscovery(source);
  const asked = new Map<number, number>();
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (piece: string) => {
      body += piece;
    });
    request.on("end", async () => {
      const { method = "", url: path = "" } = request;
      const answer = await rest.answer({ method, path, body });
      const status = answer?.status ?? 404;
      asked.set(status, (asked.get(status) ?? 0) + 1);
      response.writeHead(status, { "content-type": answer?.contentType ?? "text/plain" });
      response.end(answer?.body);
    });
  });
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  // Proof: it listens on TCP.
  return { port: (server.address() as AddressInfo).port, asked };
}

import type { TestContext } from "node:test";
import { GrpcServer } from "#grpc/server.ts";
import { systemClock } from "#lib/clock.ts";
import { systemRandom } from "#lib/random.ts";
import { ipAddress } from "#net/address.ts";
import { Pilot } from "#pilot/discovery.ts";
import type { TextMesh } from "../../testkit/pilot-mesh.ts";

/** Pilot behind a real gRPC socket, ended with the test. */
export async function startPilot(
  t: TestContext,
  mesh: TextMesh,
): Promise<{ pilot: Pilot; port: number }> {
  const pilot = new Pilot({
    clock: systemClock,
    mesh,
    objects: () => mesh.objects,
    version: "test",
    log: () => {},
    defer: setImmediate,
  });
  const grpc = new GrpcServer({ clock: systemClock, random: systemRandom });
  pilot.register(grpc);
  pilot.start();
  const { port } = await grpc.listen(ipAddress("127.0.0.1", 0));
  t.after(async () => {
    pilot.stop();
    await grpc.close();
  });
  return { pilot, port };
}

/** Pilot in a process of its own, told by its parent what to change. */
import { systemClock } from "#lib/clock.ts";
import { systemRandom } from "#lib/random.ts";
import type { ConfigObject } from "#model/object.ts";
import { readNode } from "#model/read-node.ts";
import { generateXds } from "#pilot/generate.ts";
import { Mesh } from "#pilot/mesh.ts";
import { PilotServer } from "#pilot/pilot-server.ts";
import { MemoryStore } from "#pilot/stores/memory/memory-store.ts";
import { proxyView } from "#pilot/views.ts";
import { ResourcePool } from "#xds/resource.ts";
import {
  clusterType,
  endpointType,
  listenerType,
  type ResourceType,
  routeType,
} from "#xds/resource-type.ts";
import type { GoResource } from "../../testkit/go-control-plane.ts";
import { service } from "./world.ts";

export type PilotCommand =
  | { readonly do: "start"; readonly services: number; readonly endpoints: number }
  | { readonly do: "apply"; readonly object: ConfigObject }
  | { readonly do: "dump"; readonly node: string };

/** Encoded, as go-control-plane takes it. */
export interface Dump {
  readonly clusters: readonly GoResource[];
  readonly endpoints: readonly GoResource[];
  readonly listeners: readonly GoResource[];
  readonly routes: readonly GoResource[];
}

export type PilotReply =
  | { readonly port: number; readonly loadedMs: number }
  | { readonly appliedMs: number }
  | Dump;

const store = new MemoryStore({ clock: systemClock });
const mesh = new Mesh();

function set(objects: readonly ConfigObject[]): void {
  store.change({ author: "bench", message: "", set: objects.map((object) => ({ object })) });
}

async function start(size: { services: number; endpoints: number }): Promise<PilotReply> {
  const beganMs = performance.now();
  set(Array.from({ length: size.services }, (_, index) => service(index, size)));
  mesh.follow(store);
  const server = new PilotServer({
    clock: systemClock,
    random: systemRandom,
    mesh,
    grpc: { host: "127.0.0.1", port: 0 },
    http: { host: "127.0.0.1", port: 0 },
    version: "bench",
    log: (level, message) => {
      if (level !== "info") process.stderr.write(`${level} ${message}\n`);
    },
  });
  const { grpc } = await server.start();
  return { port: grpc.port, loadedMs: performance.now() - beganMs };
}

function dump(id: string): Dump {
  const read = readNode({ id });
  if (!("node" in read)) throw new Error(read.problems.join("; "));
  const { clusters, endpoints, listeners, routes } = generateXds(
    proxyView(mesh.state(), read.node),
  );
  const pool = new ResourcePool();
  const encode = (type: ResourceType, objects: readonly object[]) =>
    objects.map((one) => Buffer.from(pool.of(type, one).bytes).toString("base64"));
  return {
    clusters: encode(clusterType, clusters),
    endpoints: encode(endpointType, endpoints),
    listeners: encode(listenerType, listeners),
    routes: encode(routeType, routes),
  };
}

async function answer(command: PilotCommand): Promise<PilotReply> {
  switch (command.do) {
    case "start":
      return start(command);
    case "apply": {
      const appliedMs = performance.timeOrigin + performance.now();
      set([command.object]);
      return { appliedMs };
    }
    default:
      return dump(command.node);
  }
}

process.on("message", (command: PilotCommand) => {
  void answer(command).then((reply) => process.send?.(reply));
});
process.on("disconnect", () => process.exit());
process.send?.("ready");

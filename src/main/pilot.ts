import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import { systemClock } from "#lib/clock.ts";
import { systemRandom } from "#lib/random.ts";
import { readMeshConfig } from "#model/mesh-config.ts";
import { addressText } from "#net/address.ts";
import { AutoRegistration } from "#pilot/auto-registration.ts";
import { EndpointSources } from "#pilot/endpoint-sources.ts";
import { Mesh } from "#pilot/mesh.ts";
import { PilotServer } from "#pilot/pilot-server.ts";
import { openFolders } from "#pilot/stores.ts";
import { ProcessLog } from "#proxy/process-log.ts";
import { packageVersion } from "./package-version.ts";
import { type PilotFlags, parsePilotFlags } from "./pilot-flags.ts";

type Log = (level: "info" | "warning" | "error", message: string) => void;

/** `heddle pilot`: returns the exit code (docs/reference/exit-codes.md). */
export async function runPilot(argv: readonly string[]): Promise<number> {
  const flags = parsePilotFlags(argv);
  if ("exit" in flags) {
    process[flags.stream].write(flags.output);
    return flags.exit;
  }
  const { logLevel: level, logFormat: format } = flags;
  const written = new ProcessLog({ level, format, path: undefined });
  const log: Log = (one, message) => written.write(one === "warning" ? "warn" : one, message);
  // Before anything that takes time: a signal that comes meanwhile ends it too.
  const stopped = Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
  try {
    return await serve(flags, log, stopped);
  } catch (error) {
    log("error", error instanceof Error ? error.message : String(error));
    return 1;
  }
}

async function serve(flags: PilotFlags, log: Log, stopped: Promise<unknown>): Promise<number> {
  const { domain, clusterId } = flags;
  const mesh = new Mesh({ domain, clusterId, meshConfig: meshConfigOf(flags) });
  const onProblems = (problems: readonly string[]) => {
    for (const problem of problems) log("error", problem);
  };
  const store = openFolders({ clock: systemClock, paths: flags.configDirs, onProblems });
  mesh.follow(store);
  const registration = new AutoRegistration({
    mesh,
    clock: systemClock,
    log,
    controller: "heddle-pilot",
  });
  registration.start();
  const sources = new EndpointSources({ mesh, clock: systemClock, log });
  sources.start();
  const server = new PilotServer({
    clock: systemClock,
    random: systemRandom,
    mesh,
    onConnect: (node) => registration.connect(node),
    grpc: flags.grpcAddr,
    http: flags.httpAddr,
    version: packageVersion(),
    log,
    debounceAfterMs: flags.debounceAfterMs,
    debounceMaxMs: flags.debounceMaxMs,
    pushThrottle: flags.pushThrottle,
  });
  const { grpc, http } = await server.start();
  for (const path of flags.configDirs) log("info", `configuration: ${path}`);
  log("info", `xDS (gRPC) on ${addressText(grpc)}`);
  log("info", `xDS (REST), /ready, /metrics and /debug on http://${addressText(http)}`);
  await stopped;
  log("info", "stopping");
  sources.stop();
  registration.stop();
  await server.stop(flags.shutdownMs);
  store.close();
  return 0;
}

function meshConfigOf({ meshConfig: file }: PilotFlags): MeshConfigJson | undefined {
  if (file === undefined) return undefined;
  const { config, problems } = readMeshConfig(file, readFileSync(file, "utf8"));
  if (problems.length === 0) return config;
  const lines = problems.map(
    ({ line, column, path, message }) =>
      `${file}:${line}:${column} MeshConfig ${path || "document"}: ${message}`,
  );
  throw new Error(lines.join("\n"));
}

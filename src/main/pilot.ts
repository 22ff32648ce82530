import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import { systemClock } from "#lib/clock.ts";
import { systemRandom } from "#lib/random.ts";
import { readMeshConfig } from "#model/mesh-config.ts";
import { addressText } from "#net/address.ts";
import { ControlPlane } from "#pilot/control-plane.ts";
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
  const { domain, clusterId, configDirs, stateDir: stateFolder } = flags;
  const controlPlane = new ControlPlane({
    clock: systemClock,
    random: systemRandom,
    ...{ domain, clusterId, stateFolder, log },
    meshConfig: meshConfigOf(flags),
    configPaths: configDirs,
    grpc: flags.grpcAddr,
    http: flags.httpAddr,
    version: packageVersion(),
    debounceAfterMs: flags.debounceAfterMs,
    debounceMaxMs: flags.debounceMaxMs,
    pushThrottle: flags.pushThrottle,
  });
  const { grpc, http } = await controlPlane.start();
  for (const path of flags.configDirs) log("info", `configuration: ${path}`);
  log("info", `xDS (gRPC) on ${addressText(grpc)}`);
  log("info", `xDS (REST), /ready, /metrics, /debug and the API on http://${addressText(http)}`);
  await stopped;
  log("info", "stopping");
  await controlPlane.stop(flags.shutdownMs);
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

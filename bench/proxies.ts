import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ConfigKind } from "./scenarios.ts";
import { envoyBinary } from "./setup.ts";

export type ProxyName = "heddle" | "envoy" | "nginx" | "haproxy";

/** A proxy that takes part, always with one worker. */
export interface Contender {
  readonly name: ProxyName;
  /** Files in `configs/`; a kind that is missing is not measured. Heddle and Envoy read the same files. */
  readonly configs: { readonly [kind in ConfigKind]?: string };
  /** Connections that its files allow, where they must say it beforehand. */
  readonly connectionsMax?: number;
  readonly command: (configFile: string) => readonly string[];
  readonly version: () => string;
}

const envoyConfigs = {
  plain: "envoy-plain.yaml",
  mesh: "envoy-mesh.yaml",
  "mesh-policies": "envoy-mesh-policies.yaml",
  tcp: "envoy-tcp.yaml",
  h2: "envoy-h2.yaml",
  "h2-to-h1": "envoy-plain.yaml",
  tls: "envoy-tls.yaml",
  "tls-h2": "envoy-tls-h2.yaml",
};
export const heddleBinary: string = fileURLToPath(new URL("../bin/heddle", import.meta.url));

export const proxies: readonly Contender[] = [
  {
    name: "heddle",
    configs: envoyConfigs,
    command: (file) => [heddleBinary, "proxy", "-c", file, "--concurrency", "1", "-l", "warning"],
    version: () => firstLine([heddleBinary, "--version"]).replace(/^heddle /, ""),
  },
  {
    name: "envoy",
    configs: envoyConfigs,
    command: (file) => {
      const flags = ["--concurrency", "1", "--disable-hot-restart", "-l", "warning"];
      return [envoyBinary(), "-c", file, ...flags];
    },
    version: () => firstLine([envoyBinary(), "--version"]).replace(/^.*\/(\d[\d.]*)\/.*$/, "$1"),
  },
  {
    name: "nginx",
    connectionsMax: 8192,
    configs: { plain: "nginx-plain.conf", tcp: "nginx-tcp.conf", tls: "nginx-tls.conf" },
    command: (file) => ["nginx", "-c", file, "-e", "stderr"],
    version: () => firstLine(["nginx", "-v"]).replace(/^.*\//, ""),
  },
  {
    name: "haproxy",
    connectionsMax: 8192,
    configs: {
      plain: "haproxy-plain.cfg",
      tcp: "haproxy-tcp.cfg",
      h2: "haproxy-h2.cfg",
      "h2-to-h1": "haproxy-plain.cfg",
      tls: "haproxy-tls.cfg",
      "tls-h2": "haproxy-tls-h2.cfg",
    },
    command: (file) => ["haproxy", "-db", "-f", file],
    version: () => firstLine(["haproxy", "-v"]).replace(/^\D*(\S+).*$/, "$1"),
  },
];

function firstLine([command = "", ...rest]: readonly string[]): string {
  const { stdout, stderr } = spawnSync(command, rest, { encoding: "utf8", timeout: 10_000 });
  return `${stdout}${stderr}`.trim().split("\n")[0] ?? "";
}

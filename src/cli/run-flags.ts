import { resolve } from "node:path";
import type { CommandContext } from "./context.ts";
import { command, parseFlags, UsageError } from "./flags.ts";
import { proxyProgram } from "./mesh/session.ts";
import { parsePort, parseUpstream } from "./project/port-text.ts";
import type { PortSpec, UpstreamSpec } from "./project/project.ts";

export interface RunOptions {
  readonly service: string;
  readonly version: string;
  readonly namespace: string;
  readonly ports: readonly PortSpec[];
  readonly upstreams: readonly UpstreamSpec[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly server: string | undefined;
  readonly proxy: ReturnType<typeof proxyProgram>;
  readonly command: readonly string[];
}

interface RunFlags {
  readonly service?: string;
  readonly version: string;
  readonly namespace: string;
  readonly port: readonly string[];
  readonly upstream: readonly string[];
  readonly env: readonly string[];
  readonly cwd?: string;
  readonly server?: string;
  readonly proxy?: string;
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

export function parseRun(argv: readonly string[], context: CommandContext): RunOptions | number {
  const { terminal, folder } = context;
  // What is behind the dashes is the program's own, dashes and all.
  const dashes = argv.indexOf("--");
  const own = dashes === -1 ? argv : argv.slice(0, dashes);
  const program = dashes === -1 ? [] : argv.slice(dashes + 1);
  const parser = command("run", terminal)
    .description("Runs a program in the mesh: beside a sidecar, found and calling others by name.")
    .usage("--service <name> [options] -- <program> [arguments]")
    .option("-s, --service <name>", "the service that the program is one of")
    .option("--version <version>", "the program's version", "v1")
    .option("-n, --namespace <name>", "of the service", "default")
    .option(
      "-p, --port <port>",
      "9080, 9080:3000 (the program listens on 3000 whatever PORT says) or 9090/grpc; may be given again",
      collect,
      [],
    )
    .option(
      "-u, --upstream <host:port>",
      "a service for programs that know no HTTP_PROXY, such as mongodb:27017: its address is in MONGODB_SERVICE_HOST and _PORT; may be given again",
      collect,
      [],
    )
    .option("-e, --env <NAME=value>", "a variable of the program; may be given again", collect, [])
    .option("--cwd <folder>", "where the program is started")
    .option(
      "--server <url>",
      "the control plane's API (HEDDLE_SERVER, else the mesh of this folder, else the one started last)",
    )
    .option("--proxy <path>", "an Envoy to run instead of Heddle's own proxy")
    .addHelpText(
      "after",
      `
Example:
  heddle run --service reviews --version v2 --port 9080 -- node reviews.js`,
    );
  return parseFlags(parser, own, {
    terminal,
    read: () => {
      const flags = parser.opts<RunFlags>();
      const { service = "", version, namespace, cwd, server } = flags;
      checkName("--service", service);
      checkName("--namespace", namespace);
      if (!/^[a-z0-9](?:[a-z0-9.-]{0,30}[a-z0-9])?$/.test(version))
        throw new UsageError(`--version ${version}: a version such as v1 or 2.0 is expected`);
      if (program.length === 0)
        throw new UsageError("names no program: write it behind --, as in -- node server.js");
      const ports = flags.port.map((text) => orUsage("--port", parsePort(text)));
      if (new Set(ports.map(({ port }) => port)).size < ports.length)
        throw new UsageError("--port: a port is there twice");
      return {
        ...{ service, version, namespace, server, ports },
        upstreams: flags.upstream.map((text) => orUsage("--upstream", parseUpstream(text))),
        env: Object.fromEntries(flags.env.map(variable)),
        cwd: resolve(folder, cwd ?? "."),
        proxy: proxyProgram(flags.proxy, context),
        command: program,
      };
    },
  });
}

function checkName(flag: string, name: string): void {
  if (name === "") throw new UsageError(`${flag} is missing`);
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name))
    throw new UsageError(
      `${flag} ${name}: a name of lower-case letters, digits and dashes is expected`,
    );
}

function orUsage<T>(flag: string, parsed: T | string): T {
  if (typeof parsed === "string") throw new UsageError(`${flag}: ${parsed}`);
  return parsed;
}

function variable(text: string): readonly [string, string] {
  const [, name, value] = text.match(/^([A-Za-z_]\w*)=(.*)$/s) ?? [];
  if (name === undefined || value === undefined)
    throw new UsageError(`--env ${text}: NAME=value is expected`);
  return [name, value];
}

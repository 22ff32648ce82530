import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { Command, CommanderError } from "commander";
import { ConfigFileError } from "#config/config-file-error.ts";
import type { CommandContext } from "./context.ts";
import { proxyProgram, runSession, type Session } from "./mesh/session.ts";
import type { Project } from "./project/project.ts";
import { readProject } from "./project/read-project.ts";

const usageExit = 64;
const dataExit = 65;

interface UpFlags {
  readonly file?: string;
  readonly dir?: string;
  readonly xdsPort: string;
  readonly proxy?: string;
}

/** `heddle up`: the control plane, and the programs of heddle.yaml with their sidecars. */
export async function runUp(argv: readonly string[], context: CommandContext): Promise<number> {
  const { terminal, folder } = context;
  const flags = parse(argv, context);
  if (typeof flags === "number") return flags;
  const file = resolve(folder, flags.file ?? "heddle.yaml");
  if (flags.file !== undefined && !existsSync(file)) {
    terminal.stderr.write(`heddle up: ${flags.file}: not found\n`);
    return dataExit;
  }
  const proxy = proxyProgram(flags.proxy, context);
  const discoveryPort = Number(flags.xdsPort);
  if (proxy === undefined || !(discoveryPort >= 0 && discoveryPort < 65_536)) {
    terminal.stderr.write(
      proxy === undefined
        ? `heddle up: --proxy ${flags.proxy}: not found\n`
        : `heddle up: --xds-port ${flags.xdsPort}: a port is expected\n`,
    );
    return usageExit;
  }
  try {
    const project = loadProject(file, context);
    return await runSession({
      ...{ project, discoveryPort, proxy, context },
      stateFolder: resolve(folder, flags.dir ?? join(dirname(file), ".heddle")),
      quiet: false,
      onReady: (session) => {
        announce(session, context);
        return session.interrupts.first.then(() => {});
      },
    });
  } catch (error) {
    if (!(error instanceof ConfigFileError)) throw error;
    terminal.stderr.write(`${error.message}\n`);
    return dataExit;
  }
}

/** Without a file: a mesh that programs join by `heddle run`. */
function loadProject(file: string, { folder, terminal, self }: CommandContext): Project {
  if (!existsSync(file))
    return {
      file,
      folder: dirname(file),
      namespace: "default",
      config: [],
      gateway: undefined,
      services: [],
    };
  return readProject({
    file,
    name: relative(folder, file) || file,
    text: readFileSync(file, "utf8"),
    environment: projectEnvironment(terminal.environment, self),
  });
}

/** HEDDLE_NODE is the Node that Heddle itself runs on: new enough to follow HTTP_PROXY. */
export function projectEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  [node]: readonly string[],
): Readonly<Record<string, string | undefined>> {
  return { ...environment, HEDDLE_NODE: node };
}

function announce(
  { mesh, controlPlane, startedInMs }: Session,
  { terminal }: CommandContext,
): void {
  const { host, port } = controlPlane.discovery;
  const print = (line: string): unknown => terminal.stderr.write(`${line}\n`);
  print(`control plane  xds ${host}:${port}`);
  for (const { workload, service } of mesh.members) {
    const ports = workload.inbound.map(({ servicePort }) => servicePort).join(", ");
    print(
      `${workload.name}  http://${service.name}:${ports} in the mesh, proxy's admin port ${workload.admin.port}`,
    );
  }
  print(`up in ${(startedInMs / 1000).toFixed(1)} s; Ctrl-C stops everything`);
}

function parse(argv: readonly string[], { terminal }: CommandContext): UpFlags | number {
  const command = new Command("heddle up")
    .description("Runs the control plane, and the programs of heddle.yaml, each with its sidecar.")
    .helpOption("-h, --help", "print this text")
    .allowExcessArguments(false)
    .option("-f, --file <file>", "the project (heddle.yaml in this folder, if there is one)")
    .option("--dir <folder>", "where state is kept (.heddle beside the file)")
    .option("--xds-port <port>", "where proxies find the control plane; 0: any", "15010")
    .option("--proxy <path>", "an Envoy to run instead of Heddle's own proxy")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
    });
  try {
    command.parse(argv, { from: "user" });
    return command.opts<UpFlags>();
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usageExit;
    throw error;
  }
}

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { ConfigFileError } from "#config/config-file-error.ts";
import type { CommandContext } from "./context.ts";
import { command, dataExit, examples, parseFlags, portFlag, UsageError } from "./flags.ts";
import { proxyProgram, runSession, type Session } from "./mesh/session.ts";
import type { Project } from "./project/project.ts";
import { projectEnvironment, readProject } from "./project/read-project.ts";

interface UpFlags {
  readonly file?: string;
  readonly dir?: string;
  readonly xdsPort: string;
  readonly apiPort: string;
  readonly proxy?: string;
}

/** `heddle up`: the control plane, and the programs of heddle.yaml with their sidecars. */
export async function runUp(argv: readonly string[], context: CommandContext): Promise<number> {
  const { terminal, folder } = context;
  const parser = command("up", terminal)
    .description("Runs the control plane, and the programs of heddle.yaml, each with its sidecar.")
    .option("-f, --file <file>", "the project (heddle.yaml in this folder, if there is one)")
    .option("--dir <folder>", "where state is kept (.heddle beside the file)")
    .option("--xds-port <port>", "where proxies find the control plane; 0: any", "15010")
    .option("--api-port <port>", "where heddle apply and others find it; 0: any", "8080")
    .option("--proxy <path>", "an Envoy to run instead of Heddle's own proxy");
  examples(parser, ["heddle up", "heddle up -f shop/heddle.yaml --api-port 0 --xds-port 0"]);
  const flags = parseFlags(parser, argv, {
    terminal,
    read: () => {
      const { file: name, dir, xdsPort, apiPort, proxy } = parser.opts<UpFlags>();
      const file = resolve(folder, name ?? "heddle.yaml");
      if (name !== undefined && !existsSync(file)) throw new UsageError(`${name}: not found`);
      return {
        file,
        stateFolder: resolve(folder, dir ?? join(dirname(file), ".heddle")),
        discoveryPort: portFlag("--xds-port", xdsPort),
        apiPort: portFlag("--api-port", apiPort),
        proxy: proxyProgram(proxy, context),
      };
    },
  });
  if (typeof flags === "number") return flags;
  try {
    const { file, ...options } = flags;
    return await runSession({
      ...options,
      project: loadProject(file, context),
      quiet: false,
      context,
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

function announce(
  { mesh, controlPlane, startedInMs }: Session,
  { terminal }: CommandContext,
): void {
  const { host, port } = controlPlane.discovery;
  const print = (line: string): unknown => terminal.stderr.write(`${line}\n`);
  print(`control plane  xds ${host}:${port}, configuration ${controlPlane.api}`);
  for (const { workload, service } of mesh.members) {
    const ports = workload.inbound.map(({ servicePort }) => servicePort).join(", ");
    print(
      `${workload.name}  http://${service.name}:${ports} in the mesh, proxy's admin port ${workload.admin.port}`,
    );
  }
  for (const { local, gateway } of mesh.gateway?.ports ?? [])
    print(`gateway  http://localhost:${local}, as soon as a Gateway object has port ${gateway}`);
  print(`up in ${(startedInMs / 1000).toFixed(1)} s; Ctrl-C stops everything`);
}

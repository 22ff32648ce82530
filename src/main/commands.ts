/** Every command of `heddle`, in the order in which help lists them. A module is loaded when its command is run. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { CommandContext } from "#cli/context.ts";
import type { ObjectIo } from "#cli/object-io.ts";
import type { OfflineIo } from "#cli/offline-io.ts";
import { systemClock } from "#lib/clock.ts";
import { systemRandom } from "#lib/random.ts";
import { packageVersion } from "./package-version.ts";

export interface CliCommand {
  readonly name: string;
  /** What follows the name, in a word or two. */
  readonly usage: string;
  readonly summary: string;
  /** Resolves with the exit code. */
  run(argv: readonly string[]): Promise<number>;
}

const io = {
  stdout: (text: string): void => {
    process.stdout.write(text);
  },
  stderr: (text: string): void => {
    process.stderr.write(text);
  },
  readStdin: (): string => readFileSync(0, "utf8"),
};

function offline(): OfflineIo {
  const { stdout, stderr, env: environment } = process;
  // `heddle xds … | head`: the reader has enough, and that is nobody's mistake.
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });
  return { terminal: { stdout, stderr, environment }, readStdin: io.readStdin };
}

/** Commands that speak to a control plane. */
function objects(): ObjectIo {
  const interrupt = new AbortController();
  process.once("SIGINT", () => interrupt.abort());
  return {
    ...offline(),
    folder: process.cwd(),
    interrupted: interrupt.signal,
    now: () => systemClock.wallMs(),
    runProgram: (file, argv) =>
      new Promise((resolve, reject) => {
        spawn(file, argv, { stdio: "inherit" })
          .once("error", reject)
          .once("close", (code) => resolve(code ?? 1));
      }),
  };
}

/** Commands that start proxies and programs. */
function programs(): CommandContext {
  const { stdout, stderr, env: environment, stdin, execPath, execArgv, argv, pid } = process;
  for (const stream of [stdout, stderr]) {
    // Whoever read it has gone (`| head`): that ends what was started, in order, and does not leave it running.
    stream.once("error", () => process.kill(pid, "SIGTERM"));
    stream.on("error", () => {});
  }
  return {
    terminal: { stdout, stderr, environment },
    self: [execPath, ...execArgv, argv[1] ?? ""],
    folder: process.cwd(),
    input: stdin,
    pid,
    clock: systemClock,
    random: systemRandom,
    version: packageVersion(),
  };
}

export const commands: readonly CliCommand[] = [
  {
    name: "demo",
    usage: "",
    summary: "run Bookinfo in a mesh, with visitors",
    run: async (argv) => (await import("#cli/demo.ts")).runDemo(argv, programs()),
  },
  {
    name: "up",
    usage: "[-f heddle.yaml]",
    summary: "run the control plane, and the programs of heddle.yaml with their sidecars",
    run: async (argv) => (await import("#cli/up.ts")).runUp(argv, programs()),
  },
  {
    name: "run",
    usage: "--service <name> -- <program>",
    summary: "run any program in the mesh",
    run: async (argv) => (await import("#cli/run.ts")).runRun(argv, programs()),
  },
  {
    name: "apply",
    usage: "-f <path>",
    summary: "write objects of configuration, all or none",
    run: async (argv) => (await import("#cli/apply.ts")).runApply(argv, objects()),
  },
  {
    name: "get",
    usage: "<kind> [name]",
    summary: "print objects",
    run: async (argv) => (await import("#cli/get.ts")).runGet(argv, objects()),
  },
  {
    name: "describe",
    usage: "<kind> <name>",
    summary: "say what is known of an object, and who changed it",
    run: async (argv) => (await import("#cli/describe.ts")).runDescribe(argv, objects()),
  },
  {
    name: "edit",
    usage: "<kind> <name>",
    summary: "change an object in an editor",
    run: async (argv) => (await import("#cli/edit.ts")).runEdit(argv, objects()),
  },
  {
    name: "delete",
    usage: "<kind> <name>",
    summary: "delete objects",
    run: async (argv) => (await import("#cli/delete.ts")).runDelete(argv, objects()),
  },
  {
    name: "diff",
    usage: "-f <path>",
    summary: "say what apply would change",
    run: async (argv) => (await import("#cli/diff.ts")).runDiff(argv, objects()),
  },
  {
    name: "history",
    usage: "[revision]",
    summary: "who changed what, and when",
    run: async (argv) => (await import("#cli/history.ts")).runHistory(argv, objects()),
  },
  {
    name: "undo",
    usage: "[revision]",
    summary: "take a change back",
    run: async (argv) => (await import("#cli/history.ts")).runUndo(argv, objects()),
  },
  {
    name: "validate",
    usage: "-f <path>",
    summary: "check files of Istio's configuration",
    run: async (argv) => (await import("#cli/validate.ts")).runValidate(argv, io),
  },
  {
    name: "xds",
    usage: "-f <path>",
    summary: "print what Pilot would send to a proxy, offline",
    run: async (argv) => (await import("#cli/xds.ts")).runXds(argv, offline()),
  },
  {
    name: "explain",
    usage: "<proxy> <url>",
    summary: "say what happens to a call, and which rules decide it",
    run: async (argv) => (await import("#cli/explain.ts")).runExplain(argv, offline()),
  },
  {
    name: "test",
    usage: "[path]",
    summary: "run route tests (*.heddle-test.yaml), without sockets",
    run: async (argv) => (await import("#cli/test.ts")).runTest(argv, offline()),
  },
  {
    name: "pilot",
    usage: "--configDir <folder>",
    summary: "run the control plane: Istio configuration in, xDS out",
    run: async (argv) => (await import("#main/pilot.ts")).runPilot(argv),
  },
  {
    name: "proxy",
    usage: "-c <file>",
    summary: "run the data plane with an Envoy v3 configuration",
    run: async (argv) => (await import("#main/proxy.ts")).runProxy(argv),
  },
];

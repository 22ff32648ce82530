/** Every command of `heddle`, in the order in which help lists them. A module is loaded when its command is run. */
import { readFileSync } from "node:fs";
import type { OfflineIo } from "#cli/offline-io.ts";

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
  return { terminal: { stdout, stderr, environment }, readStdin: io.readStdin };
}

export const commands: readonly CliCommand[] = [
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
    usage: "-f <path>",
    summary: "say what happens to a call, and which rules decide it",
    run: async (argv) => (await import("#cli/explain.ts")).runExplain(argv, offline()),
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

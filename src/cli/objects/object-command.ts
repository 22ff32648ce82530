import { userInfo } from "node:os";
import type { Command } from "commander";
import { type ConfigFile, readConfigFiles } from "../config-files.ts";
import { dataExit, positiveFlag, UsageError, usageExit } from "../flags.ts";
import type { Sink, Terminal } from "../mesh/terminal.ts";
import type { ObjectIo } from "../object-io.ts";
import { ApiClient, ApiError, findServer } from "./api-client.ts";

export interface ServerFlags {
  readonly server?: string;
}

export function addServerFlag(parser: Command): Command {
  return parser.option(
    "--server <url>",
    "the control plane's API (HEDDLE_SERVER, else the mesh that runs in this folder)",
  );
}

/** What is read: `-f`, `-R`, and the namespace of what names none. */
export interface FileFlags {
  readonly filename: readonly string[];
  readonly recursive: boolean;
  readonly namespace: string;
}

export function addFileFlags(parser: Command): Command {
  return parser
    .requiredOption("-f, --filename <path...>", "files, folders, or - for standard input")
    .option("-R, --recursive", "folders in folders too", false)
    .option("-n, --namespace <namespace>", "of objects that name none", "default");
}

/** Throws UsageError for one that cannot be read. */
export function filesOf(
  { filename, recursive }: Pick<FileFlags, "filename" | "recursive">,
  { readStdin }: ObjectIo,
): readonly ConfigFile[] {
  return readConfigFiles(filename, { recursive, readStdin }).map((file) => {
    if ("problem" in file) throw new UsageError(`${file.name} ${file.problem}`);
    return file;
  });
}

export interface WaitFlags {
  readonly wait: boolean;
  readonly timeout: string;
}

export function addWaitFlags(parser: Command): Command {
  return parser
    .option(
      "--wait",
      "return when every proxy concerned has taken it; exit 1 if one refuses",
      false,
    )
    .option("--timeout <seconds>", "how long --wait waits", "30");
}

/** Seconds. Throws UsageError. */
export function timeoutOf({ timeout }: WaitFlags): number {
  return positiveFlag("--timeout", timeout, 300);
}

export function clientOf({ server }: ServerFlags, { terminal, folder }: ObjectIo): ApiClient {
  return new ApiClient(findServer({ flag: server, environment: terminal.environment, folder }));
}

/** Who the history names. */
export function authorOf({ environment }: Terminal): string {
  return environment["HEDDLE_AUTHOR"] ?? environment["USER"] ?? userInfo().username;
}

/** What the control plane refuses, and a wrong command line, are lines on standard error and an exit code. */
export async function reporting(
  name: string,
  { terminal }: ObjectIo,
  run: () => Promise<number>,
): Promise<number> {
  try {
    return await run();
  } catch (error) {
    const say = (text: string): unknown => terminal.stderr.write(`heddle ${name}: ${text}\n`);
    if (error instanceof UsageError) {
      say(error.message);
      return usageExit;
    }
    if (!(error instanceof ApiError)) throw error;
    // As heddle validate prints them, where programs read.
    for (const problem of error.problems) terminal.stdout.write(`${problem}\n`);
    say(error.message);
    return error.status === 422 ? dataExit : 1;
  }
}

export function line(sink: Sink, text: string): void {
  sink.write(`${text}\n`);
}

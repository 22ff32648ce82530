import { userInfo } from "node:os";
import type { Command } from "commander";
import { dataExit, UsageError, usageExit } from "../flags.ts";
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

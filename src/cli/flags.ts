import { Command, CommanderError } from "commander";
import type { Terminal } from "./mesh/terminal.ts";

/** sysexits' EX_USAGE and EX_DATAERR (docs/reference/exit-codes.md). */
export const usageExit = 64;
export const dataExit = 65;

/** A wrong command line; printed with the command's name. */
export class UsageError extends Error {}

/** A command that prints to the terminal it is given, and ends nothing by itself. */
export function command(name: string, { stdout, stderr }: Terminal): Command {
  return new Command(`heddle ${name}`)
    .helpOption("-h, --help", "print this text")
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) =>
        stderr.write(
          `heddle ${name}: ${text.replace(/^error: /, "").trimEnd()}\nheddle ${name} --help says more\n`,
        ),
    });
}

/** Command lines that can be typed as they stand, below the flags. */
export function examples(parser: Command, lines: readonly string[]): Command {
  return parser.addHelpText("after", `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}`);
}

/** What `read` makes of the flags, or the exit code: help was printed, or what is wrong. */
export function parseFlags<T>(
  parser: Command,
  argv: readonly string[],
  { terminal, read }: { readonly terminal: Terminal; read(parser: Command): T },
): T | number {
  try {
    parser.parse(argv, { from: "user" });
    return read(parser);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usageExit;
    if (!(error instanceof UsageError)) throw error;
    terminal.stderr.write(`${parser.name()}: ${error.message}\n`);
    return usageExit;
  }
}

export function portFlag(flag: string, text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port < 65_536) return port;
  throw new UsageError(`${flag} ${text}: a port is expected`);
}

export function positiveFlag(flag: string, text: string, max: number): number {
  const number = Number(text);
  if (number > 0 && number <= max) return number;
  throw new UsageError(`${flag} ${text}: a number above 0 and up to ${max} is expected`);
}

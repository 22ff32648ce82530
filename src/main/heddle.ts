/** `heddle <command>`: picks the command and loads only what that command needs. */

import { hint } from "#config/nearest.ts";
import { commands } from "./commands.ts";
import { packageVersion } from "./package-version.ts";

/** sysexits' EX_USAGE, as istioctl has it (docs/reference/exit-codes.md). */
const usageExit = 64;

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  switch (name) {
    case "version":
    case "--version":
      process.stdout.write(`heddle ${packageVersion()}\n`);
      return 0;
    case "help":
    case "--help":
    case "-h":
      process.stdout.write(usage());
      return 0;
    case undefined:
      process.stderr.write(usage());
      return usageExit;
    default: {
      const command = commands.find((candidate) => candidate.name === name);
      if (command !== undefined) return command.run(rest);
      const names = [...commands.map((one) => one.name), "version", "help"];
      process.stderr.write(`heddle: there is no command "${name}"${hint(name, names)}\n${usage()}`);
      return usageExit;
    }
  }
}

function usage(): string {
  const rows = [
    ...commands.map(({ name, usage: flags, summary }) => [`${name} ${flags}`.trim(), summary]),
    ["version", "print the version"],
    ["help", "print this text"],
  ] as const;
  const width = Math.max(...rows.map(([left = ""]) => left.length));
  const lines = rows.map(([left = "", right = ""]) => `  ${left.padEnd(width)}  ${right}`);
  return `Usage: heddle <command> [options]\n\nCommands:\n${lines.join("\n")}\n\nheddle <command> --help says more.\n`;
}

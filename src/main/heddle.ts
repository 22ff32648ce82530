/** `heddle <command>`: picks the command and loads only what that command needs. */

import { readFileSync } from "node:fs";
import type { OfflineIo } from "#cli/offline-io.ts";
import { packageVersion } from "./package-version.ts";

const usage = `Usage: heddle <command> [options]

Commands:
  proxy -c <file>     run the data plane with an Envoy v3 configuration
  validate -f <path>  check files of Istio's configuration
  xds -f <path>       print what Pilot would send to a proxy, offline
  explain -f <path>   say what happens to a call, and which rules decide it, offline
  version             print the version
  help                print this text
`;

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  switch (command) {
    case "proxy": {
      // Loaded here and not above, so that no command pays for another's modules.
      const { runProxy } = await import("#main/proxy.ts");
      return runProxy(rest);
    }
    case "validate": {
      const { runValidate } = await import("#cli/validate.ts");
      return runValidate(rest, {
        stdout: (text) => process.stdout.write(text),
        stderr: (text) => process.stderr.write(text),
        readStdin: () => readFileSync(0, "utf8"),
      });
    }
    case "xds": {
      const { runXds } = await import("#cli/xds.ts");
      return runXds(rest, offlineIo());
    }
    case "explain": {
      const { runExplain } = await import("#cli/explain.ts");
      return runExplain(rest, offlineIo());
    }
    case "version":
    case "--version":
      process.stdout.write(`heddle ${packageVersion()}\n`);
      return 0;
    case "help":
    case "--help":
    case "-h":
      process.stdout.write(usage);
      return 0;
    default:
      process.stderr.write(
        command === undefined ? usage : `heddle: no command '${command}'\n${usage}`,
      );
      return 2;
  }
}

function offlineIo(): OfflineIo {
  const { stdout, stderr, env: environment } = process;
  return { terminal: { stdout, stderr, environment }, readStdin: () => readFileSync(0, "utf8") };
}

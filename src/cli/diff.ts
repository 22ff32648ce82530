import { readConfigFiles } from "./config-files.ts";
import { command, examples, parseFlags, UsageError } from "./flags.ts";
import type { ObjectIo } from "./object-io.ts";
import { ApiError } from "./objects/api-client.ts";
import { printChange } from "./objects/difference.ts";
import {
  addServerFlag,
  authorOf,
  clientOf,
  line,
  reporting,
  type ServerFlags,
} from "./objects/object-command.ts";

interface DiffFlags extends ServerFlags {
  readonly filename: readonly string[];
  readonly recursive: boolean;
  readonly namespace: string;
  readonly prune: boolean;
}

/** `heddle diff -f`: what apply would change. 0: nothing; 1: something; more: it could not be said. */
export async function runDiff(argv: readonly string[], io: ObjectIo): Promise<number> {
  const { terminal } = io;
  const parser = addServerFlag(command("diff", terminal))
    .description(
      "Says what heddle apply would change. Exit code: 0 nothing, 1 something, above 1 an error.",
    )
    .requiredOption("-f, --filename <path...>", "files, folders, or - for standard input")
    .option("-R, --recursive", "folders in folders too", false)
    .option("-n, --namespace <namespace>", "of objects that name none", "default")
    .option("--prune", "as apply --prune: what is in none of the files goes", false);
  examples(parser, ["heddle diff -f reviews.yaml", "heddle diff -R -f config/ --prune"]);
  const flags = parseFlags(parser, argv, { terminal, read: (parsed) => parsed.opts<DiffFlags>() });
  if (typeof flags === "number") return flags;
  const code = await reporting("diff", io, async () => {
    const { filename, recursive, namespace, prune } = flags;
    const files = readConfigFiles(filename, { recursive, readStdin: io.readStdin });
    for (const file of files)
      if ("problem" in file) throw new UsageError(`${file.name} ${file.problem}`);
    const author = authorOf(terminal);
    const plan = { files, namespace, prune, author, dryRun: true };
    const { changes, warnings = [] } = await clientOf(flags, io)
      .post("/apply", plan)
      .catch((error: unknown) => {
        // kubectl's rule: 1 says that there is a difference, so an error is more.
        if (error instanceof ApiError && error.status !== 422) throw new DiffFailed(error);
        throw error;
      });
    for (const warning of warnings) line(terminal.stderr, `warning ${warning}`);
    for (const change of changes) printChange(change, terminal);
    return changes.length > 0 ? 1 : 0;
  }).catch((error: unknown) => {
    if (!(error instanceof DiffFailed)) throw error;
    line(terminal.stderr, `heddle diff: ${error.message}`);
    return failedExit;
  });
  return code;
}

const failedExit = 2;

class DiffFailed extends Error {
  constructor(cause: ApiError) {
    super(cause.message, { cause });
  }
}

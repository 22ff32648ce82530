import { command, examples, parseFlags } from "./flags.ts";
import type { ObjectIo } from "./object-io.ts";
import { ApiError } from "./objects/api-client.ts";
import { printChange } from "./objects/difference.ts";
import {
  addFileFlags,
  addServerFlag,
  authorOf,
  clientOf,
  type FileFlags,
  filesOf,
  line,
  reporting,
  type ServerFlags,
} from "./objects/object-command.ts";

interface DiffFlags extends ServerFlags, FileFlags {
  readonly prune: boolean;
}

/** `heddle diff -f`: what apply would change. 0: nothing; 1: something; more: it could not be said. */
export async function runDiff(argv: readonly string[], io: ObjectIo): Promise<number> {
  const { terminal } = io;
  const parser = addFileFlags(addServerFlag(command("diff", terminal)))
    .description(
      "Says what heddle apply would change. Exit code: 0 nothing, 1 something, above 1 an error.",
    )
    .option("--prune", "as apply --prune: what is in none of the files goes", false);
  examples(parser, ["heddle diff -f reviews.yaml", "heddle diff -R -f config/ --prune"]);
  const flags = parseFlags(parser, argv, { terminal, read: (parsed) => parsed.opts<DiffFlags>() });
  if (typeof flags === "number") return flags;
  const code = await reporting("diff", io, async () => {
    const { namespace, prune } = flags;
    const files = filesOf(flags, io);
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

import { printRevision, waitForProxies } from "./apply.ts";
import { command, parseFlags, positiveFlag, UsageError } from "./flags.ts";
import type { ObjectIo } from "./object-io.ts";
import type { ApiClient } from "./objects/api-client.ts";
import { printChange } from "./objects/difference.ts";
import { parseNames } from "./objects/names.ts";
import {
  addServerFlag,
  addWaitFlags,
  authorOf,
  clientOf,
  line,
  reporting,
  type ServerFlags,
  timeoutOf,
  type WaitFlags,
} from "./objects/object-command.ts";
import { ageText, tableText } from "./objects/table.ts";

interface HistoryFlags extends ServerFlags {
  readonly namespace: string;
  readonly limit: string;
}

/** `heddle history`: who changed what and when; with a number what a revision changed. */
export async function runHistory(argv: readonly string[], io: ObjectIo): Promise<number> {
  const { terminal } = io;
  const parser = addServerFlag(command("history", terminal))
    .description(
      "Lists revisions: heddle history, heddle history vs reviews. heddle history 12 says what revision 12 changed.",
    )
    .argument("[revision-or-object...]")
    .option("-n, --namespace <namespace>", "of the object", "default")
    .option("--limit <count>", "of revisions", "20");
  const flags = parseFlags(parser, argv, {
    terminal,
    read: (parsed) => parsed.opts<HistoryFlags>(),
  });
  if (typeof flags === "number") return flags;
  return reporting("history", io, async () => {
    const client = clientOf(flags, io);
    const { stdout, stderr } = terminal;
    const [first] = parser.args;
    if (first !== undefined && /^(?:\d+|latest)$/.test(first)) {
      const { revision, author, time, message, changes } = await client.revision(first);
      line(stdout, `revision ${revision} by ${author}, ${time}: ${message}`);
      for (const change of changes) printChange(change, terminal);
      return 0;
    }
    const limit = String(positiveFlag("--limit", flags.limit, 1000));
    const object = parser.args.length === 0 ? {} : { object: keyOf(parser.args, flags) };
    const revisions = await client.revisions({ limit, ...object });
    if (revisions.length === 0) line(stderr, "nothing was changed yet");
    else {
      const rows = revisions.map(({ revision, author, time, message, changes }) => [
        String(revision),
        `${ageText(time, io.now())} ago`,
        author,
        String(changes.length),
        message,
      ]);
      stdout.write(tableText([["REVISION", "WHEN", "AUTHOR", "OBJECTS", "WHAT"], ...rows]));
    }
    return 0;
  });
}

function keyOf(words: readonly string[], { namespace }: HistoryFlags): string {
  const [wanted] = parseNames(words);
  const [name, ...more] = wanted?.names ?? [];
  if (wanted === undefined || name === undefined || more.length > 0)
    throw new UsageError("one object at a time: heddle history vs reviews");
  return `${wanted.kind.kind}/${wanted.kind.namespaced ? namespace : "-"}/${name}`;
}

interface UndoFlags extends ServerFlags, WaitFlags {
  readonly dryRun: boolean;
}

/** `heddle undo`: a revision is taken back, as a revision of its own. */
export async function runUndo(argv: readonly string[], io: ObjectIo): Promise<number> {
  const { terminal } = io;
  const parser = addWaitFlags(addServerFlag(command("undo", terminal)))
    .description(
      "Takes a revision back: heddle undo, heddle undo 12. That is a revision too, and can be undone.",
    )
    .argument("[revision]", "the newest that a person made when there is none")
    .option("--dry-run", "say what would change, and change nothing", false);
  const flags = parseFlags(parser, argv, { terminal, read: (parsed) => parsed.opts<UndoFlags>() });
  if (typeof flags === "number") return flags;
  return reporting("undo", io, async () => {
    const timeout = timeoutOf(flags);
    const [named] = parser.args;
    if (named !== undefined && !/^(?:\d+|latest)$/.test(named))
      throw new UsageError(`"${named}" is no revision; heddle history lists them`);
    const client = clientOf(flags, io);
    const number = named ?? (await newestOfPeople(client));
    const { dryRun, wait } = flags;
    const revision = await client.post(`/revisions/${number}/undo`, {
      author: authorOf(terminal),
      dryRun,
    });
    for (const change of revision.changes) printChange(change, terminal);
    printRevision(revision, { io, dryRun });
    return wait && !dryRun ? waitForProxies(client, revision, { io, timeout }) : 0;
  });
}

/** What Heddle writes for a project's programs is not what somebody wants back who has just made a mistake. */
async function newestOfPeople(client: ApiClient): Promise<string> {
  const revisions = await client.revisions({ limit: "1000" });
  const newest = revisions.find(({ author }) => !author.startsWith(ownAuthor));
  if (newest !== undefined) return String(newest.revision);
  throw new UsageError(
    "there is nothing that somebody has changed; heddle history lists all there is",
  );
}

/** `heddle up`, `heddle run`. */
const ownAuthor = "heddle ";

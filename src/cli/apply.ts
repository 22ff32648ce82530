import { command, examples, parseFlags } from "./flags.ts";
import type { ObjectIo } from "./object-io.ts";
import type { ApiClient, ApiRevision } from "./objects/api-client.ts";
import { printedKey } from "./objects/names.ts";
import {
  addFileFlags,
  addServerFlag,
  addWaitFlags,
  authorOf,
  clientOf,
  type FileFlags,
  filesOf,
  line,
  reporting,
  type ServerFlags,
  timeoutOf,
  type WaitFlags,
} from "./objects/object-command.ts";

interface ApplyFlags extends ServerFlags, FileFlags, WaitFlags {
  readonly message?: string;
  readonly dryRun: boolean;
  readonly prune: boolean;
}

/** `heddle apply -f`: writes objects, all or none; with `--wait` returns when the proxies have them. */
export async function runApply(argv: readonly string[], io: ObjectIo): Promise<number> {
  const { terminal } = io;
  const parser = addWaitFlags(addFileFlags(addServerFlag(command("apply", terminal))))
    .description("Writes the objects of files, all of them or none.")
    .option("-m, --message <text>", "why, for the history")
    .option("--dry-run", "say what would change, and change nothing", false)
    .option("--prune", "delete every object that is in none of the files", false);
  examples(parser, [
    "heddle apply -f reviews.yaml --wait",
    "heddle apply -R -f config/ -n shop --dry-run",
    'cat *.yaml | heddle apply -f - -m "black stars for everybody"',
  ]);
  const flags = parseFlags(parser, argv, { terminal, read: (parsed) => parsed.opts<ApplyFlags>() });
  if (typeof flags === "number") return flags;
  return reporting("apply", io, async () => {
    const timeout = timeoutOf(flags);
    const files = filesOf(flags, io);
    const client = clientOf(flags, io);
    const revision = await client.post("/apply", {
      files,
      namespace: flags.namespace,
      dryRun: flags.dryRun,
      prune: flags.prune,
      author: authorOf(terminal),
      message: flags.message ?? `apply -f ${flags.filename.join(" ")}`,
    });
    printRevision(revision, { io, dryRun: flags.dryRun });
    if (!flags.wait || flags.dryRun) return 0;
    return waitForProxies(client, revision, { io, timeout });
  });
}

/** What became of each object, and how it is taken back. */
export function printRevision(
  { revision, changes, unchanged = [], warnings = [] }: ApiRevision,
  { io, dryRun }: { readonly io: ObjectIo; readonly dryRun: boolean },
): void {
  const { stdout, stderr } = io.terminal;
  for (const warning of warnings) line(stderr, `warning ${warning}`);
  if (changes.length + unchanged.length === 0) line(stderr, "there is nothing to change");
  const note = dryRun ? " (dry run)" : "";
  for (const { key, action } of changes) line(stdout, `${printedKey(key)} ${action}${note}`);
  for (const key of unchanged) line(stdout, `${printedKey(key)} unchanged${note}`);
  if (changes.length > 0 && !dryRun)
    line(stderr, `revision ${revision}   undo: heddle undo ${revision}`);
}

/** 0: every proxy that it concerns has it. */
export async function waitForProxies(
  client: ApiClient,
  { revision }: Pick<ApiRevision, "revision">,
  { io, timeout }: { readonly io: ObjectIo; readonly timeout: number },
): Promise<number> {
  const { stdout, stderr } = io.terminal;
  const startMs = io.now();
  const { acked, refused, pending } = await client.acknowledgement(revision, timeout);
  const proxies = acked.length + refused.length + pending.length;
  const what = proxies === 1 ? "1 proxy" : `${proxies} proxies`;
  const waited = `${Math.round(io.now() - startMs)} ms`;
  if (proxies === 0) line(stdout, "concerns no proxy that is connected");
  else line(stdout, `acknowledged by ${acked.length} of ${what} in ${waited}`);
  for (const { proxy, type, detail } of refused)
    line(stderr, `refused by ${proxy}: ${type}: ${detail}`);
  for (const proxy of pending) line(stderr, `no answer yet from ${proxy}`);
  return refused.length + pending.length > 0 ? 1 : 0;
}

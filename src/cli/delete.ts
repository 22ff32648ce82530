import { readObjects } from "#model/documents.ts";
import { objectKey } from "#model/object.ts";
import { printRevision, waitForProxies } from "./apply.ts";
import { command, parseFlags, UsageError } from "./flags.ts";
import type { ObjectIo } from "./object-io.ts";
import { parseNames } from "./objects/names.ts";
import {
  addServerFlag,
  addWaitFlags,
  authorOf,
  clientOf,
  filesOf,
  reporting,
  type ServerFlags,
  timeoutOf,
  type WaitFlags,
} from "./objects/object-command.ts";

interface DeleteFlags extends ServerFlags, WaitFlags {
  readonly filename?: readonly string[];
  readonly recursive: boolean;
  readonly namespace: string;
  readonly ignoreNotFound: boolean;
}

/** `heddle delete`: by name, or what files name; all of them or none. */
export async function runDelete(argv: readonly string[], io: ObjectIo): Promise<number> {
  const { terminal } = io;
  const parser = addWaitFlags(addServerFlag(command("delete", terminal)))
    .description("Deletes objects: heddle delete vs reviews, heddle delete -f reviews.yaml.")
    .argument("[kind-and-names...]")
    .option("-f, --filename <path...>", "what these files hold; - is standard input")
    .option("-R, --recursive", "folders in folders too", false)
    .option("-n, --namespace <namespace>", "of the objects", "default")
    .option("--ignore-not-found", "what is not there is deleted already", false);
  const flags = parseFlags(parser, argv, {
    terminal,
    read: (parsed) => parsed.opts<DeleteFlags>(),
  });
  if (typeof flags === "number") return flags;
  return reporting("delete", io, async () => {
    const timeout = timeoutOf(flags);
    const keys = flags.filename === undefined ? namedKeys(parser.args, flags) : fileKeys(flags, io);
    const client = clientOf(flags, io);
    const revision = await client.post("/delete", {
      keys,
      ignoreMissing: flags.ignoreNotFound,
      author: authorOf(terminal),
      message: `delete ${keys.join(" ")}`,
    });
    printRevision(revision, { io, dryRun: false });
    return flags.wait ? waitForProxies(client, revision, { io, timeout }) : 0;
  });
}

function namedKeys(words: readonly string[], { namespace }: DeleteFlags): readonly string[] {
  return parseNames(words).flatMap(({ kind, names }) => {
    if (names.length === 0)
      throw new UsageError("names are required: nothing is deleted by its kind alone");
    return names.map((name) => `${kind.kind}/${kind.namespaced ? namespace : "-"}/${name}`);
  });
}

function fileKeys(flags: DeleteFlags, io: ObjectIo): readonly string[] {
  const { filename = [], recursive, namespace } = flags;
  return filesOf({ filename, recursive }, io).flatMap(({ name, text }) =>
    readObjects(name, text, { namespace }).objects.map(objectKey),
  );
}

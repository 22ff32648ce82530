import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { command, examples, parseFlags, UsageError } from "./flags.ts";
import type { ObjectIo } from "./object-io.ts";
import { type ApiClient, ApiError, type ApiObject } from "./objects/api-client.ts";
import { manifestText } from "./objects/difference.ts";
import { parseNames, pathOf, printedName } from "./objects/names.ts";
import {
  addServerFlag,
  authorOf,
  clientOf,
  line,
  reporting,
  type ServerFlags,
} from "./objects/object-command.ts";

interface EditFlags extends ServerFlags {
  readonly namespace: string;
}

/** `heddle edit`: an object in an editor, again until it is good. */
export async function runEdit(argv: readonly string[], io: ObjectIo): Promise<number> {
  const { terminal } = io;
  const parser = addServerFlag(command("edit", terminal))
    .description(
      "Opens an object in an editor ($HEDDLE_EDITOR, $EDITOR, vi) and writes what comes out.",
    )
    .argument("<kind-and-name...>")
    .option("-n, --namespace <namespace>", "of the object", "default");
  examples(parser, [
    "heddle edit vs reviews",
    'HEDDLE_EDITOR="code --wait" heddle edit dr/ratings -n shop',
  ]);
  const flags = parseFlags(parser, argv, { terminal, read: (read) => read.opts<EditFlags>() });
  if (typeof flags === "number") return flags;
  return reporting("edit", io, async () => {
    const [wanted, ...others] = parseNames(parser.args);
    const [name, ...more] = wanted?.names ?? [];
    if (wanted === undefined || name === undefined || others.length + more.length > 0)
      throw new UsageError("one object at a time: heddle edit vs reviews");
    const path = pathOf(wanted.kind, flags.namespace, name);
    const outcome = await editObject(clientOf(flags, io), path, io);
    line(terminal.stdout, `${printedName(wanted.kind, name)} ${outcome}`);
    return 0;
  });
}

async function editObject(client: ApiClient, path: string, io: ObjectIo): Promise<string> {
  const { object } = await client.get(path);
  const version = object.metadata.resourceVersion ?? "";
  const before = manifestText(object);
  const folder = mkdtempSync(join(tmpdir(), "heddle-edit-"));
  try {
    const file = join(folder, "object.yaml");
    writeFileSync(file, `${intro}${before}`);
    for (;;) {
      const edited = await openEditor(file, io);
      if (edited === before || edited.trim() === "") return "unchanged";
      try {
        await client.put(path, parsed(edited), { author: authorOf(io.terminal), version });
        return "edited";
      } catch (error) {
        if (!(error instanceof ApiError) || (error.status !== 422 && error.status !== 400))
          throw error;
        const again = refusedText(edited, error);
        // Nothing was done about it: its user gives up.
        if (readFileSync(file, "utf8") === again) throw error;
        writeFileSync(file, again);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const intro = "# Save and close to write it; an empty file, or no change, leaves it as it is.\n";

function refusedText(edited: string, { message, problems }: ApiError): string {
  const comments = [message, ...problems].map((problem) => `# ${problem}\n`).join("");
  return `# It was refused:\n${comments}${edited}`;
}

/** What is left in the file, without our comments. */
async function openEditor(file: string, { runProgram, terminal }: ObjectIo): Promise<string> {
  const { HEDDLE_EDITOR: own, EDITOR: usual } = terminal.environment;
  const editor = own || usual || "vi";
  // As git and kubectl: the variable may hold arguments.
  const code = await runProgram("/bin/sh", ["-c", `${editor} "$@"`, editor, file]);
  if (code !== 0)
    throw new ApiError(`the editor ${editor} ended with ${code}: nothing is changed`, {
      status: 0,
    });
  return readFileSync(file, "utf8").replace(/^(?:#.*\n)+/, "");
}

function parsed(text: string): ApiObject {
  try {
    // Proof: the API checks what it is given.
    return parse(text) as ApiObject;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ApiError(`it is not YAML: ${reason}`, { status: 400, cause: error });
  }
}

import { stringify } from "yaml";
import { command, parseFlags, UsageError } from "./flags.ts";
import type { ObjectIo } from "./object-io.ts";
import { parseNames, pathOf } from "./objects/names.ts";
import {
  addServerFlag,
  clientOf,
  line,
  reporting,
  type ServerFlags,
} from "./objects/object-command.ts";
import { ageText, tableText } from "./objects/table.ts";

interface DescribeFlags extends ServerFlags {
  readonly namespace: string;
}

/** `heddle describe`: an object, where it came from, and who has changed it. */
export async function runDescribe(argv: readonly string[], io: ObjectIo): Promise<number> {
  const { terminal } = io;
  const parser = addServerFlag(command("describe", terminal))
    .description("Says what is known of objects: heddle describe vs reviews.")
    .argument("<kind-and-names...>")
    .option("-n, --namespace <namespace>", "of the objects", "default");
  const flags = parseFlags(parser, argv, {
    terminal,
    read: (parsed) => parsed.opts<DescribeFlags>(),
  });
  if (typeof flags === "number") return flags;
  return reporting("describe", io, async () => {
    const client = clientOf(flags, io);
    const { stdout } = terminal;
    for (const { kind, names } of parseNames(parser.args)) {
      if (names.length === 0) throw new UsageError("a name is required; heddle get lists them");
      for (const name of names) {
        const { object, source } = await client.get(pathOf(kind, flags.namespace, name));
        const { metadata, spec, status } = object;
        const rows = [
          ["Name:", metadata.name],
          ["Namespace:", metadata.namespace],
          ["Kind:", `${object.kind} (${object.apiVersion})`],
          ["Labels:", pairs(metadata.labels)],
          ["Annotations:", pairs(metadata.annotations)],
          ["From:", source ?? "the API"],
          [
            "Created:",
            `${metadata.creationTimestamp ?? "?"} (${ageText(metadata.creationTimestamp, io.now())} ago)`,
          ],
        ];
        stdout.write(tableText(rows));
        stdout.write(
          stringify(
            { Spec: spec, ...(status === undefined ? {} : { Status: status }) },
            { lineWidth: 0 },
          ),
        );
        const key = `${object.kind}/${metadata.namespace}/${metadata.name}`;
        const revisions = await client.revisions({ object: key, limit: "5" });
        line(stdout, "Changes:");
        for (const { revision, author, time, message, changes } of revisions) {
          const action = changes.find((change) => change.key === key)?.action ?? "";
          line(
            stdout,
            `  ${revision}  ${ageText(time, io.now())} ago  ${action} by ${author}: ${message}`,
          );
        }
        line(stdout, "");
      }
    }
    return 0;
  });
}

function pairs(values: Readonly<Record<string, string>> = {}): string {
  const entries = Object.entries(values).map(([key, value]) => `${key}=${value}`);
  return entries.length === 0 ? "<none>" : entries.join(", ");
}

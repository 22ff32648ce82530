import { Option } from "commander";
import { stringify } from "yaml";
import { kindNamed } from "#model/kinds.ts";
import { command, examples, parseFlags, UsageError } from "./flags.ts";
import type { ObjectIo } from "./object-io.ts";
import { type ApiClient, ApiError, type ApiObject } from "./objects/api-client.ts";
import { columns } from "./objects/columns.ts";
import { type NamedObjects, parseNames, pathOf, printedName } from "./objects/names.ts";
import {
  addServerFlag,
  clientOf,
  line,
  reporting,
  type ServerFlags,
} from "./objects/object-command.ts";
import { ageText, tableText } from "./objects/table.ts";

type Format = "table" | "wide" | "json" | "yaml" | "name";

interface GetFlags extends ServerFlags {
  readonly namespace: string;
  readonly allNamespaces: boolean;
  readonly selector: string;
  readonly output: Format;
  readonly watch: boolean;
}

/** `heddle get`: objects, as kubectl prints them. */
export async function runGet(argv: readonly string[], io: ObjectIo): Promise<number> {
  const { terminal } = io;
  const parser = addServerFlag(command("get", terminal))
    .description(
      "Prints objects: heddle get vs, heddle get vs reviews, heddle get vs/reviews dr/ratings, heddle get all.",
    )
    .argument("[kind-and-names...]")
    .option("-n, --namespace <namespace>", "of the objects", "default")
    .option("-A, --all-namespaces", "of every namespace", false)
    .option("-l, --selector <selector>", "by labels: app=reviews,version!=v1", "")
    .addOption(
      new Option("-o, --output <format>")
        .choices(["table", "wide", "json", "yaml", "name"])
        .default("table"),
    )
    .option("-w, --watch", "print what changes, until Ctrl-C", false);
  examples(parser, [
    "heddle get vs",
    "heddle get all -A",
    "heddle get vs/reviews -o yaml",
    "heddle get vs -w",
  ]);
  const flags = parseFlags(parser, argv, { terminal, read: (parsed) => parsed.opts<GetFlags>() });
  if (typeof flags === "number") return flags;
  return reporting("get", io, async () => {
    const wanted = parser.args[0] === "all" ? undefined : parseNames(parser.args);
    const client = clientOf(flags, io);
    const printer = new Printer(flags, io, wanted === undefined);
    const objects = await find(client, wanted, flags);
    printer.print(objects);
    if (flags.watch) await watch({ client, printer, flags, io });
    return 0;
  });
}

async function find(
  client: ApiClient,
  wanted: readonly NamedObjects[] | undefined,
  flags: GetFlags,
): Promise<readonly ApiObject[]> {
  const query = {
    ...(flags.allNamespaces ? {} : { namespace: flags.namespace }),
    ...(flags.selector === "" ? {} : { labelSelector: flags.selector }),
  };
  if (wanted === undefined) return client.list(query);
  const lists = wanted.map(async ({ kind, names }): Promise<readonly ApiObject[]> => {
    if (names.length === 0) return client.list({ ...query, kind: kind.kind });
    if (flags.allNamespaces) throw new UsageError("a name and --all-namespaces exclude each other");
    const found = names.map((name) => client.get(pathOf(kind, flags.namespace, name)));
    return (await Promise.all(found)).map(({ object }) => object);
  });
  return (await Promise.all(lists)).flat();
}

class Printer {
  readonly #flags: GetFlags;
  readonly #withKind: boolean;
  readonly #io: ObjectIo;

  /** `withKind`: names are kind/name even where there is one kind only. */
  constructor(flags: GetFlags, io: ObjectIo, withKind: boolean) {
    this.#withKind = withKind;
    this.#flags = flags;
    this.#io = io;
  }

  print(objects: readonly ApiObject[]): void {
    const { stdout, stderr } = this.#io.terminal;
    const { output, namespace, allNamespaces } = this.#flags;
    switch (output) {
      case "json":
        line(stdout, JSON.stringify(oneOrList(objects), null, 2));
        return;
      case "yaml":
        stdout.write(stringify(oneOrList(objects), { lineWidth: 0 }));
        return;
      case "name":
        for (const { kind, metadata } of objects) {
          const known = kindNamed(kind);
          if (known !== undefined) line(stdout, printedName(known, metadata.name));
        }
        return;
      default:
        if (objects.length === 0)
          line(
            stderr,
            allNamespaces ? "there are none" : `there are none in namespace ${namespace}`,
          );
        else stdout.write(this.#tables(objects));
    }
  }

  #tables(objects: readonly ApiObject[]): string {
    const byKind = Map.groupBy(objects, ({ kind }) => kind);
    const many = this.#withKind || byKind.size > 1;
    return [...byKind].map(([kind, own]) => this.#table(kind, own, many)).join("\n");
  }

  #table(kind: string, objects: readonly ApiObject[], withKind: boolean): string {
    const { output, allNamespaces } = this.#flags;
    const shown = (columns[kind] ?? []).filter(({ wide }) => wide !== true || output === "wide");
    const nowMs = this.#io.now();
    const prefix = withKind ? `${kind.toLowerCase()}/` : "";
    const rows = objects.map((object) => {
      const { name, namespace, creationTimestamp } = object.metadata;
      return [
        ...(allNamespaces ? [namespace] : []),
        `${prefix}${name}`,
        ...shown.map(({ cell }) => cell(object)),
        ageText(creationTimestamp, nowMs),
      ];
    });
    const titles = [
      ...(allNamespaces ? ["NAMESPACE"] : []),
      "NAME",
      ...shown.map(({ title }) => title),
      "AGE",
    ];
    return tableText([titles, ...rows]);
  }

  change(action: string, object: ApiObject): void {
    if (this.#flags.output === "table" || this.#flags.output === "wide") {
      const { kind, metadata } = object;
      line(
        this.#io.terminal.stdout,
        `${action.padEnd(10)} ${kind.toLowerCase()}/${metadata.name}.${metadata.namespace}`,
      );
    } else this.print([object]);
  }
}

function oneOrList(objects: readonly ApiObject[]): unknown {
  const [first, ...rest] = objects;
  if (first !== undefined && rest.length === 0) return first;
  return { apiVersion: "v1", kind: "List", items: objects };
}

async function watch(parts: {
  readonly client: ApiClient;
  readonly printer: Printer;
  readonly flags: GetFlags;
  readonly io: ObjectIo;
}): Promise<void> {
  const { client, printer, flags, io } = parts;
  const newest = (await client.revisions({ limit: "1" }))[0]?.revision ?? 0;
  try {
    for await (const { changes } of client.watch(newest, io.interrupted))
      for (const { action, before, after } of changes) {
        const object = after ?? before;
        if (object === undefined) continue;
        if (flags.allNamespaces || object.metadata.namespace === flags.namespace)
          printer.change(action, object);
      }
  } catch (error) {
    if (io.interrupted.aborted) return;
    if (error instanceof ApiError) throw error;
    throw new ApiError("the control plane has gone away", { status: 0, cause: error });
  }
}

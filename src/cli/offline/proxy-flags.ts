import { type Command, Option } from "commander";
import { type OfflineText, offlineMesh, offlineNode, offlineView } from "#pilot/offline.ts";
import type { ProxyView } from "#pilot/view.ts";
import { readConfigFiles } from "../config-files.ts";
import type { OfflineIo } from "../offline-io.ts";
import { readJsonFile } from "./json-file.ts";

/** The flags by which a command knows a mesh from files, and one proxy in it. */
export interface ProxyFlags {
  readonly filename: readonly string[];
  readonly recursive: boolean;
  readonly node: string;
  readonly metadata?: string;
  readonly meshConfig?: string;
}

export function addProxyFlags(command: Command): Command {
  return addFlags(command, (flags, text) => new Option(flags, text).makeOptionMandatory());
}

/** The same, for a command that also has another way to know a mesh. */
export function addOfflineFlags(command: Command): Command {
  return addFlags(command, (flags, text) => new Option(flags, text));
}

function addFlags(command: Command, main: (flags: string, text: string) => Option): Command {
  return command
    .addOption(
      main("-f, --filename <paths...>", "configuration: files, folders, - for standard input"),
    )
    .option("-R, --recursive", "look into the folders of folders", false)
    .addOption(
      main(
        "--node <id>",
        "the proxy: sidecar~10.0.0.1~pod.ns~ns.svc.cluster.local (router~… is a gateway)",
      ),
    )
    .option("--metadata <file>", "the proxy's node metadata, JSON; wins over the id")
    .option(
      "--mesh-config <file>",
      "MeshConfig; otherwise the one among the files, or the defaults",
    );
}

export type ReadView = { readonly view: ProxyView } | { readonly problems: readonly string[] };

/** What the proxy would see, or all that is wrong with the files. */
export function readView(flags: ProxyFlags, io: OfflineIo): ReadView {
  const problems: string[] = [];
  const read = (paths: readonly string[]): readonly OfflineText[] =>
    readConfigFiles(paths, { recursive: flags.recursive, readStdin: () => io.readStdin() }).flatMap(
      (file) => {
        if ("text" in file) return [file];
        problems.push(`${file.name}:1:1 ?/?/? document: ${file.problem}`);
        return [];
      },
    );
  const files = read(flags.filename);
  const [meshConfig] = flags.meshConfig === undefined ? [] : read([flags.meshConfig]);
  const metadata = readMetadata(flags.metadata, io, problems);
  const { state, problems: found } = offlineMesh({ files, meshConfig });
  problems.push(...found);
  const named = offlineNode(flags.node, metadata);
  if ("problems" in named) problems.push(...named.problems);
  if (problems.length > 0 || state === undefined || "problems" in named) return { problems };
  return { view: offlineView(state, named.node) };
}

function readMetadata(
  path: string | undefined,
  io: OfflineIo,
  problems: string[],
): Readonly<Record<string, unknown>> {
  if (path === undefined) return {};
  const read = readJsonFile(path, io);
  if ("problem" in read) {
    problems.push(read.problem);
    return {};
  }
  const { value } = read;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value));
  }
  problems.push(`${path}: a JSON object is expected`);
  return {};
}

/** `heddle validate`: everything that is wrong with files of configuration, one line a problem. */
import { Command, CommanderError } from "commander";
import {
  type ObjectProblem,
  printObjectProblem,
  type ReadObjects,
  readObjects,
} from "#model/documents.ts";
import { readMeshConfig, readMeshNetworks } from "#model/mesh-config.ts";
import { type ConfigObject, objectKey } from "#model/object.ts";
import { referenceWarnings } from "#model/references.ts";
import { readConfigFiles } from "./config-files.ts";

export interface ValidateIo {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly readStdin: () => string;
}

/** sysexits' EX_DATAERR and EX_USAGE, as istioctl has them (docs/reference/exit-codes.md). */
const dataExit = 65;
const usageExit = 64;

interface Flags {
  readonly filename: readonly string[];
  readonly recursive: boolean;
  readonly namespace: string;
  readonly meshConfig?: string;
}

/** Returns the exit code: 0 good, 65 problems, 64 a wrong command line. Warnings change nothing. */
export function runValidate(argv: readonly string[], io: ValidateIo): number {
  const flags = parseFlags(argv, io);
  if (typeof flags === "number") return flags;
  const found = new Findings();
  for (const file of readConfigFiles(flags.filename, { ...flags, readStdin: io.readStdin })) {
    if ("problem" in file) found.refuse(file.name, file.problem);
    else found.add(readObjects(file.name, file.text, { namespace: flags.namespace }));
  }
  found.addReferences();
  if (flags.meshConfig !== undefined) checkMeshFile(flags.meshConfig, found, io);
  for (const problem of inOrder(found.problems)) io.stdout(`${printObjectProblem(problem)}\n`);
  for (const warning of inOrder(found.warnings))
    io.stdout(`warning ${printObjectProblem(warning)}\n`);
  io.stderr(`${found.summary()}\n`);
  return found.problems.length > 0 ? dataExit : 0;
}

/** As they stand in each file, the files as they were given. */
function inOrder(list: readonly ObjectProblem[]): readonly ObjectProblem[] {
  const files = [...new Set(list.map(({ file }) => file))];
  return list.toSorted(
    (a, b) =>
      files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
  );
}

function checkMeshFile(path: string, found: Findings, io: ValidateIo): void {
  for (const file of readConfigFiles([path], { recursive: false, readStdin: io.readStdin })) {
    if ("problem" in file) found.refuse(file.name, file.problem);
    else found.addMessage("MeshConfig/-/default", readMeshConfig(file.name, file.text));
  }
}

/** What all files together have. */
class Findings {
  readonly problems: ObjectProblem[] = [];
  readonly warnings: ObjectProblem[] = [];
  readonly #objects = new Map<string, ConfigObject>();

  refuse(file: string, message: string): void {
    this.problems.push({ file, line: 1, column: 1, path: "", message, object: "?/?/?" });
  }

  add({ objects, problems, warnings }: ReadObjects): void {
    this.problems.push(...problems);
    this.warnings.push(...warnings);
    for (const object of objects) {
      this.#addObject(object);
      this.#checkMesh(object);
    }
  }

  addMessage(
    object: string,
    read: Pick<ReturnType<typeof readMeshConfig>, "problems" | "warnings">,
  ): void {
    this.problems.push(...read.problems.map((problem) => ({ ...problem, object })));
    this.warnings.push(...read.warnings.map((warning) => ({ ...warning, object })));
  }

  /** What the objects of all files say of each other. */
  addReferences(): void {
    this.warnings.push(...referenceWarnings([...this.#objects.values()]));
  }

  summary(): string {
    const count = (number: number, word: string): string =>
      `${number} ${word}${number === 1 ? "" : "s"}`;
    const parts = [count(this.problems.length, "problem"), count(this.warnings.length, "warning")];
    return `${count(this.#objects.size, "good object")}, ${parts.join(", ")}`;
  }

  #addObject(object: ConfigObject): void {
    const key = objectKey(object);
    const earlier = this.#objects.get(key)?.source;
    if (earlier !== undefined) {
      const { line } = earlier.positionOf(["metadata", "name"]);
      const message = `is in ${earlier.name}:${line} too; only one of them counts`;
      this.warnings.push(locate(object, ["metadata", "name"], message));
    }
    this.#objects.set(key, object);
  }

  /** The ConfigMap that Istio has its mesh's configuration in. */
  #checkMesh(object: ConfigObject): void {
    if (object.kind !== "ConfigMap" || !/^istio(?:-|$)/.test(object.metadata.name)) return;
    // Of a ConfigMap the spec is its body (kinds/config-map/type.ts).
    const { data = {} } = object.spec as { readonly data?: Readonly<Record<string, string>> };
    for (const [key, read] of [
      ["mesh", readMeshConfig],
      ["meshNetworks", readMeshNetworks],
    ] as const) {
      const text = data[key];
      if (text === undefined) continue;
      const { problems, warnings } = read(key, text);
      const moved = (list: typeof problems): ObjectProblem[] =>
        list.map(({ path, message }) =>
          locate(object, ["data", key], `${path === "" ? "" : `${path}: `}${message}`),
        );
      this.problems.push(...moved(problems));
      this.warnings.push(...moved(warnings));
    }
  }
}

function locate(object: ConfigObject, keys: readonly string[], message: string): ObjectProblem {
  const at = object.source?.positionOf(keys) ?? { line: 1, column: 1 };
  const { line, column } = at;
  const file = object.source?.name ?? "";
  return { file, line, column, path: keys.join("."), message, object: objectKey(object) };
}

function parseFlags(argv: readonly string[], io: ValidateIo): Flags | number {
  let output = "";
  const keep = (text: string): void => {
    output += text;
  };
  const command = new Command("heddle validate")
    .description(
      "Checks files of configuration: Istio's kinds, and the Kubernetes kinds that are read as a registry.",
    )
    .helpOption("-h, --help", "print this text")
    .allowExcessArguments(false)
    .option(
      "-f, --filename <path>",
      "a file, a folder, or - for standard input; may be given again",
      (path: string, before: readonly string[]) => [...before, path],
      [],
    )
    .option("-R, --recursive", "also the folders in folders", false)
    .option("-n, --namespace <name>", "of objects that name none", "default")
    .option("--mesh-config <file>", "also check this MeshConfig")
    .addHelpText("after", examples)
    .exitOverride()
    .configureOutput({ writeOut: keep, writeErr: keep });
  try {
    command.parse(argv, { from: "user" });
    const flags = command.opts<Flags>();
    if (flags.filename.length > 0 || flags.meshConfig !== undefined) return flags;
    io.stderr(
      "heddle validate: nothing to check: give -f FILE, a folder, or - for standard input\n",
    );
    return usageExit;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) {
      io.stdout(output);
      return 0;
    }
    io.stderr(`heddle validate: ${output === "" ? `${error.message}\n` : output}`);
    return usageExit;
  }
}

const examples = `
Each problem is a line on standard output, FILE:LINE:COLUMN KIND/NAMESPACE/NAME FIELD: PROBLEM;
lines that begin with "warning" do not change the exit code.

Exit codes: 0 good, 65 problems were found, 64 a wrong command line.

Examples:
  heddle validate -f reviews.yaml
  heddle validate -R -f config/ -n shop
  cat *.yaml | heddle validate -f -
`;

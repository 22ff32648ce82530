/** DESIGN's ranks: a file imports only from lower ranks, and only another module's API. */
import { posix } from "node:path";
import { importsOf, isTest, type Tree, type Violation } from "./source.ts";

export const ranks: Readonly<Record<string, number>> = {
  lib: 0,
  gen: 0,
  http: 1,
  net: 1,
  config: 1,
  grpc: 2,
  model: 2,
  xds: 3,
  proxy: 4,
  pilot: 4,
  citadel: 4,
  mixer: 4,
  agent: 4,
  injector: 4,
  canary: 4,
  client: 5,
  cli: 5,
  console: 5,
  main: 6,
};

/** Subfolders that are API all the same: each is one codec, one set of messages or one kind, imported by name. */
const publicFolders = ["gen/", "http/h1/", "http/h2/", "model/kinds/"];

export function rankViolations(tree: Tree): readonly Violation[] {
  const violations: Violation[] = [];
  for (const [path, text] of tree) {
    if (!path.startsWith("src/") || !path.endsWith(".ts")) {
      continue;
    }
    for (const { specifier, line } of importsOf(text)) {
      const message = importProblem(path, specifier);
      if (message !== undefined) {
        violations.push({ path, line, message });
      }
    }
  }
  return violations;
}

function importProblem(path: string, specifier: string): string | undefined {
  const target = specifier.startsWith("#")
    ? posix.join("src", specifier.slice(1))
    : posix.join(posix.dirname(path), specifier);
  if (!/^[#.]/.test(specifier)) {
    return undefined;
  }
  if (!target.startsWith("src/")) {
    return isTest(path) ? undefined : `imports ${target}, which is not part of the product`;
  }
  const [importer, imported] = [moduleOf(path), target.slice("src/".length)];
  if (specifier.startsWith(".") && moduleOf(target) !== importer) {
    return `imports ${specifier}: write #${imported}`;
  }
  return moduleProblem({ importer, imported });
}

const moduleOf = (path: string): string => path.split("/")[1] ?? "";

interface Pair {
  readonly importer: string;
  /** Path below src. */
  readonly imported: string;
}

function moduleProblem({ importer, imported }: Pair): string | undefined {
  const [module = "", ...rest] = imported.split("/");
  const from = ranks[importer];
  const to = ranks[module];
  if (from === undefined || to === undefined) {
    return `${from === undefined ? importer : module} has no rank: give it one in tools/tidy/ranks.ts`;
  }
  if (module === importer) {
    return undefined;
  }
  if (to >= from) {
    return `${importer} (rank ${from}) imports ${module} (rank ${to}): only lower ranks`;
  }
  if (rest.length > 1 && !publicFolders.some((folder) => imported.startsWith(folder))) {
    return `#${imported} is private to ${module}: import a top-level file of ${module}`;
  }
  return undefined;
}

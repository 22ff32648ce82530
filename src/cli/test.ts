/** `heddle test`: what calls shall become, beside the configuration that decides it. No sockets. */
import { globSync, statSync } from "node:fs";
import { join } from "node:path";
import { readConfigFiles } from "./config-files.ts";
import { command, dataExit, examples, parseFlags, usageExit } from "./flags.ts";
import type { OfflineIo } from "./offline-io.ts";
import { type RouteTestFile, readRouteTests } from "./route-tests/read.ts";
import { type FileResult, runRouteTests, type TestResult } from "./route-tests/run.ts";

const failureExit = 1;

/** The exit code: 0 all passed, 1 some did not, 65 files that cannot be read, 64 a wrong command line or no test at all. */
export function runTest(argv: readonly string[], io: OfflineIo): number {
  const { terminal } = io;
  const parser = command("test", terminal)
    .description(
      "Runs route tests (*.heddle-test.yaml, docs/guides/test-your-routes.md): no sockets.",
    )
    .argument("[paths...]", "test files, or folders in which to look for them", ["."]);
  examples(parser, ["heddle test", "heddle test config/ shop/routes.heddle-test.yaml"]);
  const paths = parseFlags(parser, argv, { terminal, read: pathsOf });
  if (typeof paths === "number") return paths;
  const names = paths.flatMap(testFiles);
  if (names.length === 0) {
    terminal.stderr.write(`heddle test: ${paths.join(", ")}: there is no *.heddle-test.yaml\n`);
    return usageExit;
  }
  const read = readAll(names, io);
  const results = read.files.map((file) => runRouteTests(file, io));
  for (const problem of read.problems) terminal.stdout.write(`${problem}\n`);
  let last: string | undefined;
  for (const result of results) {
    // Several documents of a file are one list to its reader.
    if (result.file.name !== last) terminal.stdout.write(`${result.file.name}\n`);
    last = result.file.name;
    terminal.stdout.write(resultsText(result));
  }
  return finish(results, read.problems.length, io);
}

function pathsOf(parser: { readonly processedArgs: readonly unknown[] }): readonly string[] {
  const [paths] = parser.processedArgs;
  return Array.isArray(paths) ? paths.filter((path) => typeof path === "string") : [];
}

/** A file as it is; of a folder those in it and below it. */
function testFiles(path: string): readonly string[] {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isDirectory() !== true) return [path];
  return globSync("**/*.heddle-test.{yaml,yml}", { cwd: path, exclude: ["**/node_modules"] })
    .sort()
    .map((name) => join(path, name));
}

function readAll(
  names: readonly string[],
  { readStdin }: OfflineIo,
): { readonly files: readonly RouteTestFile[]; readonly problems: readonly string[] } {
  const read = readConfigFiles(names, { recursive: false, readStdin }).map((file) =>
    "text" in file
      ? readRouteTests(file.name, file.text)
      : { files: [], problems: [`${file.name}:1:1 document: ${file.problem}`] },
  );
  return {
    files: read.flatMap(({ files, problems }) => (problems.length > 0 ? [] : files)),
    problems: read.flatMap(({ problems }) => problems),
  };
}

function resultsText({ results, problems }: FileResult): string {
  const lines = problems.map((problem) => `  ! ${problem}`);
  for (const result of results) lines.push(...resultLines(result));
  return lines.map((line) => `${line}\n`).join("");
}

function resultLines({ test, differences, rules }: TestResult): readonly string[] {
  if (differences.length === 0) return [`  ✓ ${test.name}`];
  const lines = [`  ✗ ${test.name} (line ${test.line})`];
  for (const { what, expected, actual } of differences) {
    const indent = " ".repeat(what.length + 2);
    lines.push(`      ${what}: expected ${expected}`, `      ${indent}     got ${actual}`);
  }
  for (const { decided, file, line, kind, namespace, name, field } of rules) {
    const place = file === null ? "" : `${file}:${line ?? 1} `;
    lines.push(`      ${decided} by ${place}${kind}/${namespace}/${name} ${field}`.trimEnd());
  }
  return lines;
}

function finish(results: readonly FileResult[], unread: number, { terminal }: OfflineIo): number {
  const all = results.flatMap(({ results: own }) => own);
  const failed = all.filter(({ differences }) => differences.length > 0).length;
  const problems = unread + results.flatMap((result) => result.problems).length;
  const parts = [
    `${all.length - failed} passed`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(problems > 0 ? [`${problems} ${problems === 1 ? "problem" : "problems"}`] : []),
  ];
  terminal.stdout.write(`${parts.join(", ")}\n`);
  if (problems > 0) return dataExit;
  return failed > 0 ? failureExit : 0;
}

/**
 * `node tools/run-tests.ts SUITE... [-- NODE-TEST-OPTIONS]`: one run of Node's test runner over the suites named, so
 * that one summary at the end counts everything.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root, type SuiteName, suites } from "./suites.ts";
import { prepareTests } from "./test-setup.ts";

// A file that hangs ends the run with its name, and not the machine's patience. Slow suites take what they need.
const fileTimeoutMs = 300_000;
const slow: readonly SuiteName[] = ["slow", "fuzz"];

process.exitCode = main(process.argv.slice(2));

function main(argv: readonly string[]): number {
  const separator = argv.indexOf("--");
  const names = separator === -1 ? argv : argv.slice(0, separator);
  const options = separator === -1 ? [] : argv.slice(separator + 1);
  const unknown = names.filter((name) => !isSuite(name));
  if (names.length === 0 || unknown.length > 0) {
    process.stderr.write(`suites: ${Object.keys(suites).join(", ")}\n`);
    return 2;
  }
  return run(names.filter(isSuite), options);
}

function isSuite(name: string): name is SuiteName {
  return Object.hasOwn(suites, name);
}

function run(names: readonly SuiteName[], options: readonly string[]): number {
  const files = names.flatMap((name) =>
    name === "units" ? [join(root, "tools/all-units.ts")] : suites[name](),
  );
  if (files.length === 0) {
    process.stderr.write(`no test files in ${names.join(", ")}\n`);
    return 1;
  }
  const env = { ...process.env, ...prepareTests(names) };
  const limits = names.some((name) => slow.includes(name))
    ? []
    : [`--test-timeout=${fileTimeoutMs}`];
  const { status } = spawnSync(process.execPath, ["--test", ...limits, ...options, ...files], {
    cwd: root,
    env,
    stdio: "inherit",
  });
  return status ?? 1;
}

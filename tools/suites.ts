/** Which test files belong to which suite. */
import { globSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root: string = fileURLToPath(new URL("..", import.meta.url));

const apart = /\.(?:process|slow)\.test\.ts$/;

function files(...patterns: readonly string[]): readonly string[] {
  return globSync(patterns, { cwd: root, exclude: ["src/gen"] })
    .sort()
    .map((path) => join(root, path));
}

export type SuiteName = "units" | "integration" | "parity" | "netns" | "slow" | "fuzz";

export const suites: Readonly<Record<SuiteName, () => readonly string[]>> = {
  units: () => files("{src,testkit,tools,bench}/**/*.test.ts").filter((path) => !apart.test(path)),
  integration: () => [
    ...files("{src,testkit,tools,bench}/**/*.process.test.ts"),
    ...files("tests/**/*.test.ts").filter(
      (path) => !apart.test(path) && !/\/tests\/(?:parity|netns|slow)\//.test(path),
    ),
  ],
  parity: () => files("tests/parity/**/*.test.ts"),
  netns: () => files("tests/netns/**/*.test.ts"),
  slow: () => files("tests/slow/**/*.test.ts", "{src,tests}/**/*.slow.test.ts"),
  fuzz: () => files("{src,tests}/**/*.fuzz.ts"),
};

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const page = new URL("../../../docs/reference/differences-from-envoy.md", import.meta.url);

/** Every intended difference has a heading of its own on the page that users read. */
export function assertDocumented(entry: string): void {
  const headings = readFileSync(page, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("#"))
    .map((line) => line.replace(/^#+ /, ""));
  assert.ok(
    headings.includes(entry),
    `no heading "${entry}" in docs/reference/differences-from-envoy.md`,
  );
}

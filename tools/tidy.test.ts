/** The rules of STYLE.md and ARCHITECTURE.md that neither tsc nor Biome can hold, and tests of the rules themselves. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { linkViolations } from "./tidy/links.ts";
import { rankViolations } from "./tidy/ranks.ts";
import { deadFiles } from "./tidy/reach.ts";
import { codeOnly, importsOf, readTree, type Violation } from "./tidy/source.ts";
import { wordViolations } from "./tidy/words.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const repository = readTree(root);

function holds(rule: string, violations: readonly Violation[]): void {
  const lines = violations.map(({ path, line, message }) => `  ${path}:${line}: ${message}`);
  assert.ok(lines.length === 0, `${rule}\n${lines.join("\n")}`);
}

test("files import only lower ranks and other modules' top-level files", () => {
  holds("Import ranks (ARCHITECTURE.md):", rankViolations(repository));
});

test("time, randomness and output are arguments; nothing waits on the data path; nothing is unfinished", () => {
  holds("Words (STYLE.md):", wordViolations(repository));
});

test("every file is needed", () => {
  holds("Dead files:", deadFiles(repository));
});

test("the documents' links lead somewhere", () => {
  holds(
    "Broken links:",
    linkViolations(repository, (path) => existsSync(join(root, path))),
  );
});

const tree = (files: Readonly<Record<string, string>>): ReadonlyMap<string, string> =>
  new Map(Object.entries(files));
const messages = (violations: readonly Violation[]): readonly string[] =>
  violations.map(({ path, line, message }) => `${path}:${line}: ${message}`);
const ranksOf = (path: string, code: string): readonly string[] =>
  messages(rankViolations(tree({ [path]: code })));

test("ranks: a lower rank's API may be imported", () => {
  assert.deepEqual(ranksOf("src/proxy/a.ts", `import { b } from "#http/headers.ts";`), []);
  assert.deepEqual(
    ranksOf("src/proxy/pool/a.ts", `import type { B } from "#gen/envoy/x_pb.js";`),
    [],
  );
  assert.deepEqual(ranksOf("src/proxy/pool/a.ts", `import { b } from "#proxy/stats/b.ts";`), []);
});

test("ranks: an equal or higher rank may not, however it is written", () => {
  const refused = ["src/http/a.ts:1: http (rank 1) imports net (rank 1): only lower ranks"];
  assert.deepEqual(ranksOf("src/http/a.ts", `import { b } from "#net/b.ts";`), refused);
  assert.deepEqual(ranksOf("src/http/a.ts", `import type { B } from "#net/b.ts";`), refused);
  assert.deepEqual(ranksOf("src/http/a.ts", `export { b } from "#net/b.ts";`), refused);
  assert.deepEqual(ranksOf("src/http/a.ts", `import "#net/b.ts";`), refused);
  assert.deepEqual(ranksOf("src/http/a.ts", `const b = await import("#net/b.ts");`), refused);
  assert.deepEqual(
    ranksOf("src/http/a.ts", `import {\n  b,\n  type C,\n} from "#net/b.ts";`),
    refused,
  );
});

test("ranks: another module's subfolder is private, and a module needs a rank", () => {
  assert.deepEqual(ranksOf("src/main/a.ts", `import { b } from "#proxy/pool/b.ts";`), [
    "src/main/a.ts:1: #proxy/pool/b.ts is private to proxy: import a top-level file of proxy",
  ]);
  assert.deepEqual(ranksOf("src/main/a.ts", `import { b } from "#extra/b.ts";`), [
    "src/main/a.ts:1: extra has no rank: give it one in tools/tidy/ranks.ts",
  ]);
});

test("ranks: relative imports stay in their module, and products do not import tests", () => {
  assert.deepEqual(ranksOf("src/http/h1/a.ts", `import { b } from "../b.ts";`), []);
  assert.deepEqual(ranksOf("src/http/h1/a.ts", `import { b } from "../../lib/b.ts";`), [
    "src/http/h1/a.ts:1: imports ../../lib/b.ts: write #lib/b.ts",
  ]);
  const testkit = `\nimport { b } from "../../testkit/b.ts";`;
  assert.deepEqual(ranksOf("src/http/a.ts", testkit), [
    "src/http/a.ts:2: imports testkit/b.ts, which is not part of the product",
  ]);
  assert.deepEqual(ranksOf("src/http/a.test.ts", testkit), []);
});

test("words: banned calls are named with their replacement, outside comments, strings and src/lib", () => {
  const code = `// Date.now()\nconst text = "Math.random()";\nconst now = Date.now();`;
  assert.deepEqual(messages(wordViolations(tree({ "src/net/a.ts": code }))), [
    "src/net/a.ts:3: Date.now(): take a clock (#lib/clock.ts)",
  ]);
  assert.deepEqual(messages(wordViolations(tree({ "src/lib/clock.ts": code }))), []);
  assert.deepEqual(messages(wordViolations(tree({ "src/net/a.test.ts": code }))), []);
});

test("words: the data path does not wait", () => {
  const code = "async function a(): Promise<void> {\n  await b();\n}";
  const waits = (path: string): number => wordViolations(tree({ [path]: code })).length;
  assert.equal(waits("src/http/a.ts"), 2);
  assert.equal(waits("src/proxy/filters/http/a/a.ts"), 2);
  assert.equal(waits("src/proxy/admin/a.ts"), 0);
});

test("words: leftovers and one machine's paths are found anywhere", () => {
  const leftover = ["TO", "DO"].join("");
  const path = ["", "root", "x"].join("/");
  assert.equal(wordViolations(tree({ "docs/a.md": `${leftover}: later` })).length, 1);
  assert.equal(wordViolations(tree({ "tools/a.ts": `const a = "${path}/y";` })).length, 1);
  assert.equal(wordViolations(tree({ "tools/a.ts": `"https://host${path}/y"` })).length, 0);
});

test("dead files: what only a test leads to is dead in src, and alive in testkit", () => {
  const files = tree({
    "package.json": `{ "scripts": { "x": "node tools/x.ts" } }`,
    "src/main/a.ts": `import "#lib/used.ts"; new Worker(new URL("./worker.ts", import.meta.url));`,
    "src/main/worker.ts": "",
    "src/lib/used.ts": "",
    "src/lib/tested.ts": "",
    "src/lib/tested.test.ts": `import "./tested.ts"; import "../../testkit/fake.ts";`,
    "src/lib/dead.ts": `import "./dead-too.ts"; // "./used.ts"`,
    "src/lib/dead-too.ts": "",
    "testkit/fake.ts": "",
    "tools/x.ts": "",
  });
  assert.deepEqual(messages(deadFiles(files)), [
    "src/lib/tested.ts:1: only tests lead here",
    "src/lib/dead.ts:1: nothing leads here",
    "src/lib/dead-too.ts:1: nothing leads here",
  ]);
});

test("links: files and headings are looked up, code and other sites are not", () => {
  const files = tree({
    "docs/a.md":
      "# One: *two*\n[x](b.md) [x](b.md#b-page) [x](#one-two) [x](https://h/x)\n```\n[x](no.md)\n```\n",
    "docs/b.md": "# B page\n[x](../no.md)\n[x](a.md#three)\n",
  });
  assert.deepEqual(messages(linkViolations(files, (path) => files.has(path))), [
    "docs/b.md:2: ../no.md: no such file",
    "docs/b.md:3: a.md#three: no such heading",
  ]);
});

test("source: strings, templates, regular expressions and comments are not code", () => {
  const code = codeOnly("a('b') /* c */ `d$" + '{e}f` = /g"h/; // i\nreturn /j`k/.test(l)');
  assert.equal(code.replaceAll(/ +/g, " ").trim(), "a( ) ${e} = ; \nreturn .test(l)");
});

test("source: imports of every form are seen, and those in comments are not", () => {
  const code = `import a, { b } from "./1.ts";\n// import "./no.ts";\nexport * from "./2.ts";\nimport type { C } from "3";`;
  assert.deepEqual(
    importsOf(code).map(({ specifier, line }) => `${specifier}:${line}`),
    ["./1.ts:1", "./2.ts:3", "3:4"],
  );
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "#lib/clock.ts";
import { seededRandom } from "../../testkit/seeded-random.ts";
import type { CommandContext } from "./context.ts";
import { parseRun } from "./run-flags.ts";

function parse(...argv: readonly string[]): { result: ReturnType<typeof parseRun>; said: string } {
  let said = "";
  const sink = { write: (text: string) => (said += text) };
  const context: CommandContext = {
    terminal: { stdout: sink, stderr: sink, environment: {} },
    self: ["node", "heddle.js"],
    folder: "/shop",
    input: undefined,
    pid: 1,
    clock: systemClock,
    random: seededRandom(1),
    version: "1",
  };
  const result = parseRun(argv, context);
  return { result, said };
}

test("a program with everything", () => {
  const { result } = parse(
    ..."--service reviews --version v2 -p 9080 -p 9090:50051/grpc -n shop --upstream mongodb:27017".split(
      " ",
    ),
    ..."-e A=1 -e B=x=y --cwd app -- node reviews.js --port 1 -- x".split(" "),
  );
  assert.deepEqual(result, {
    service: "reviews",
    version: "v2",
    namespace: "shop",
    server: undefined,
    ports: [
      { port: 9080, target: undefined, protocol: "http", name: "http-9080" },
      { port: 9090, target: 50_051, protocol: "grpc", name: "grpc-9090" },
    ],
    upstreams: [{ host: "mongodb", port: 27_017 }],
    env: { A: "1", B: "x=y" },
    cwd: "/shop/app",
    proxy: { kind: "heddle", command: ["node", "heddle.js", "proxy"] },
    command: ["node", "reviews.js", "--port", "1", "--", "x"],
  });
});

const wrong: readonly (readonly [string, RegExp])[] = [
  ["-- node a.js", /--service is missing/],
  ["--service Reviews -- node a.js", /--service Reviews: a name of lower-case letters/],
  ["--service a", /names no program: write it behind --/],
  ["--service a --", /names no program/],
  ["--service a node a.js", /too many arguments/],
  ["--service a --port 0 -- x", /--port: 0 is not a port/],
  ["--service a --port 1/sql -- x", /"sql" is none of http/],
  ["--service a -p 1 -p 1:2 -- x", /a port is there twice/],
  ["--service a --upstream mongodb -- x", /not a host and a port, such as mongodb:27017/],
  ["--service a --env A -- x", /--env A: NAME=value is expected/],
  ["--service a --version V2 -- x", /--version V2: a version such as/],
  ["--service a --proxy nowhere -- x", /--proxy nowhere: not found/],
  ["--service a --prot 1 -- x", /unknown option '--prot'[\s\S]*--port/],
];

for (const [line, message] of wrong) {
  test(`usage: ${line}`, () => {
    const { result, said } = parse(...line.split(" "));
    assert.equal(result, 64);
    assert.match(said, message);
  });
}

test("help ends well and shows an example", () => {
  const { result, said } = parse("--help");
  assert.equal(result, 0);
  assert.match(said, /heddle run --service reviews --version v2 --port 9080 -- node reviews.js/);
});

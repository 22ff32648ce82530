import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { PortClaims } from "#agent/port-claims.ts";
import { envoyPath } from "../../testkit/envoy-binary.ts";
import { heddle, Running } from "./commands.ts";
import { eventually } from "./demo-process.ts";

const programs = join(import.meta.dirname, "../../samples/bookinfo");

/** Asks reviews again and again, one question at a time, and says how it went after each. */
const visitor = `
const { get } = require("node:http");
let [good, bad, marked] = [0, 0, 0];
const ask = () => {
  const done = (failure) => {
    if (failure) { bad++; console.log("failed: " + failure); } else good++;
    console.log("good " + good + " bad " + bad + " marked " + marked);
    setTimeout(ask, 5);
  };
  const asked = get("http://reviews:9080/reviews/0", (response) => {
    if (response.headers["x-mark"]) marked++;
    let body = "";
    response.on("data", (text) => { body += text; });
    response.on("end", () => done(response.statusCode !== 200 || !body.includes('"stars":5') ? response.statusCode + " " + body : undefined));
  });
  asked.on("error", (error) => done(error.message));
};
ask();
`;

const rule = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
    - headers: { response: { set: { x-mark: "yes" } } }
      route: [{ destination: { host: reviews } }]
`;

const counts = (visiting: Running): { good: number; bad: number; marked: number } => {
  const [, good, bad, marked] = visiting.output.match(
    /good (\d+) bad (\d+) marked (\d+)\s+(?:failed.*\s*)?$/,
  ) ?? [0, 0, 0, 0];
  return { good: Number(good), bad: Number(bad), marked: Number(marked) };
};

const failures = ({ output }: Running): string => (output.match(/failed: .*/g) ?? []).join("\n");

const sides: readonly (readonly [string, () => readonly string[]])[] = [
  ["heddle", () => []],
  ["envoy", () => ["--proxy", envoyPath()]],
];

for (const [name, proxy] of sides)
  test(`Pilot is killed and started again under load, and no request fails: ${name}`, async (t) => {
    const folder = folderOf(t);
    const claims = new PortClaims(join(folder, "claims"), process.pid);
    const [xds, api] = [await claims.claim(`${folder} xds`), await claims.claim(`${folder} api`)];
    const server = ["--server", `http://127.0.0.1:${api}`];
    const pilot = async (): Promise<Running> => {
      const running = new Running(t, folder, [
        ...["pilot", "--grpcAddr", `127.0.0.1:${xds}`, "--httpAddr", `127.0.0.1:${api}`],
        ...["--stateDir", join(folder, "state")],
      ]);
      await running.said(/API on/);
      return running;
    };
    const first = await pilot();
    const run = (...argv: readonly string[]): Running =>
      new Running(t, folder, ["run", ...server, ...proxy(), ...argv]);
    const node = process.execPath;
    const members = [
      run("--service", "ratings", "-p", "9080", "--", node, join(programs, "ratings.mjs")),
      run(
        "--service",
        "reviews",
        "--version",
        "v2",
        "-p",
        "9080",
        "--",
        node,
        join(programs, "reviews.mjs"),
      ),
    ];
    for (const member of members) await member.said(/is in the mesh as http/);
    const visiting = run("--service", "visitor", "--", node, "-e", visitor);
    const more = async (count: number): Promise<void> => {
      const { good } = counts(visiting);
      await eventually(`${count} more requests\n${visiting.output.slice(-1000)}`, () =>
        counts(visiting).good >= good + count ? true : undefined,
      );
    };
    await more(50);
    // What came before the first page was whole is none of this test's.
    const badBefore = counts(visiting).bad;
    await first.stop("SIGKILL");
    await more(100);
    const second = await pilot();
    await eventually("three proxies are back", async () => {
      const response = await fetch(`http://127.0.0.1:${api}/debug/syncz`);
      return ((await response.json()) as readonly unknown[]).length === 3 || undefined;
    });
    await more(100);
    writeFileSync(join(folder, "rule.yaml"), rule);
    const applied = await heddle(folder, "apply", ...server, "-f", "rule.yaml", "--wait");
    assert.equal(applied.code, 0, applied.stderr);
    await eventually(
      "the new Pilot's rule is in force",
      () => counts(visiting).marked > 0 || undefined,
    );
    assert.equal(counts(visiting).bad, badBefore, failures(visiting));
    assert.equal(await visiting.stop(), 143);
    for (const member of members) assert.equal(await member.stop(), 0);
    assert.equal(await second.stop(), 0);
  });

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "heddle-restart-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Commands about objects, with a terminal that a test reads, against Pilot's API. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { runApply } from "#cli/apply.ts";
import { runDelete } from "#cli/delete.ts";
import { runDescribe } from "#cli/describe.ts";
import { runDiff } from "#cli/diff.ts";
import { runEdit } from "#cli/edit.ts";
import { runGet } from "#cli/get.ts";
import { runHistory, runUndo } from "#cli/history.ts";
import type { ObjectIo } from "#cli/object-io.ts";
import { systemClock } from "#lib/clock.ts";
import { ConfigApi } from "#pilot/api/config-api.ts";
import type { Acknowledged } from "#pilot/push/acknowledgements.ts";
import { MemoryStore } from "#pilot/stores/memory/memory-store.ts";

const route = (subset: string): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
    - route: [{destination: {host: reviews, subset: ${subset}}}]
`;

type Command = (argv: readonly string[], io: ObjectIo) => Promise<number>;

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface Running {
  readonly folder: string;
  run(command: Command, ...argv: string[]): Promise<Outcome>;
  write(name: string, text: string): string;
  acknowledgement: Acknowledged;
  /** What the editor does with the file. */
  edit: (file: string) => void;
  interrupt(): void;
  /** By all commands together. */
  printed: string;
}

async function startPilot(t: TestContext): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), "heddle-cli-"));
  const interrupt = new AbortController();
  const api = new ConfigApi({
    store: new MemoryStore({ clock: systemClock }),
    version: "1",
    acknowledged: async () => running.acknowledgement,
  });
  const server = createServer((request, response) => void api.handle(request, response));
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  t.after(() => {
    api.close();
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  // Proof: it listens on TCP.
  const { port } = server.address() as AddressInfo;
  mkdirSync(join(folder, ".heddle"));
  const address = { api: `http://127.0.0.1:${port}` };
  writeFileSync(join(folder, ".heddle/control-plane.json"), JSON.stringify(address));
  const running: Running = {
    folder,
    acknowledgement: { acked: [], refused: [], pending: [] },
    edit: () => {},
    printed: "",
    interrupt: () => interrupt.abort(),
    write(name, text) {
      const path = join(folder, name);
      writeFileSync(path, text);
      return path;
    },
    async run(command, ...argv) {
      let out = "";
      let err = "";
      const code = await command(argv, {
        terminal: {
          stdout: {
            write: (text) => {
              out += text;
              running.printed += text;
            },
          },
          stderr: { write: (text) => (err += text) },
          environment: { USER: "ann", EDITOR: "fake" },
        },
        // A folder below: the mesh of the one above is found.
        folder: join(folder, "below", "it"),
        readStdin: () => route("v9"),
        interrupted: interrupt.signal,
        now: () => systemClock.wallMs(),
        runProgram: async (_shell, args) => {
          running.edit(args.at(-1) ?? "");
          return 0;
        },
      });
      return { code, out, err };
    },
  };
  return running;
}

test("apply says what became of each object, and how to take it back", async (t) => {
  const pilot = await startPilot(t);
  const file = pilot.write("reviews.yaml", route("v1"));
  const first = await pilot.run(runApply, "-f", file);
  assert.deepEqual(
    [first.code, first.out, first.err],
    [
      0,
      "virtualservice.networking.istio.io/reviews created\n",
      "revision 1   undo: heddle undo 1\n",
    ],
  );
  assert.equal(
    (await pilot.run(runApply, "-f", file)).out,
    "virtualservice.networking.istio.io/reviews unchanged\n",
  );
  const dry = await pilot.run(runApply, "-f", "-", "--dry-run");
  assert.equal(dry.out, "virtualservice.networking.istio.io/reviews configured (dry run)\n");
  assert.match((await pilot.run(runGet, "vs", "-o", "yaml")).out, /subset: v1/);
});

test("a bad file: each problem a line, exit 65, nothing changed", async (t) => {
  const pilot = await startPilot(t);
  const file = pilot.write("bad.yaml", route("v1").replace("hosts", "host"));
  const { code, out, err } = await pilot.run(runApply, "-f", file);
  assert.equal(code, 65);
  assert.match(out, /bad\.yaml:5:\d+ VirtualService\/default\/reviews spec\.host: unknown field/);
  assert.match(err, /nothing is changed/);
  const none = await pilot.run(runGet, "vs");
  assert.deepEqual([none.code, none.err], [0, "there are none in namespace default\n"]);
  assert.equal((await pilot.run(runApply, "-f", join(pilot.folder, "absent.yaml"))).code, 64);
});

test("apply --wait ends with 1 when a proxy refuses, and names it", async (t) => {
  const pilot = await startPilot(t);
  const file = pilot.write("reviews.yaml", route("v1"));
  pilot.acknowledgement = { acked: ["a", "b"], refused: [], pending: [] };
  const good = await pilot.run(runApply, "-f", file, "--wait");
  assert.equal(good.code, 0);
  assert.match(good.out, /acknowledged by 2 of 2 proxies in \d+ ms/);
  pilot.acknowledgement = {
    acked: ["a"],
    refused: [{ proxy: "sidecar~b", type: "rds", detail: "virtual_hosts[0]: no" }],
    pending: ["c"],
  };
  const bad = await pilot.run(runApply, "-f", "-", "--wait");
  assert.equal(bad.code, 1);
  assert.match(
    bad.err,
    /refused by sidecar~b: rds: virtual_hosts\[0\]: no\nno answer yet from c\n/,
  );
});

test("get prints tables, names, JSON and YAML", async (t) => {
  const pilot = await startPilot(t);
  await pilot.run(runApply, "-f", pilot.write("a.yaml", route("v1")), "-m", "first");
  const table = await pilot.run(runGet, "virtualservices");
  assert.match(table.out, /^NAME +GATEWAYS +HOSTS +AGE\nreviews +\["reviews"\] +\d+s\n$/);
  assert.match((await pilot.run(runGet, "vs", "-A")).out, /^NAMESPACE +NAME/);
  assert.equal(
    (await pilot.run(runGet, "vs/reviews", "-o", "name")).out,
    "virtualservice.networking.istio.io/reviews\n",
  );
  assert.equal(
    JSON.parse((await pilot.run(runGet, "vs", "reviews", "-o", "json")).out).kind,
    "VirtualService",
  );
  assert.match((await pilot.run(runGet, "all", "-A")).out, /virtualservice\/reviews/);
  const typo = await pilot.run(runGet, "virtualservise");
  assert.deepEqual([typo.code, typo.out], [64, ""]);
  assert.match(typo.err, /did you mean "virtualservice/i);
  const missing = await pilot.run(runGet, "vs", "review");
  assert.equal(missing.code, 1);
  assert.match(
    missing.err,
    /there is no VirtualService review in namespace default; did you mean "reviews"/,
  );
});

test("get --watch prints changes until it is interrupted", async (t) => {
  const pilot = await startPilot(t);
  const file = pilot.write("a.yaml", route("v1"));
  await pilot.run(runApply, "-f", file);
  const watching = pilot.run(runGet, "vs", "-w");
  const second = pilot.write("b.yaml", route("v2"));
  // Nothing says that it watches already: changes go on until it has heard of one.
  for (
    let change = 0;
    !/configured +virtualservice\/reviews\.default/.test(pilot.printed);
    change++
  )
    await pilot.run(runApply, "-f", change % 2 === 0 ? second : file);
  pilot.interrupt();
  const { code, out } = await watching;
  assert.equal(code, 0);
  assert.match(out, /configured +virtualservice\/reviews\.default\n/);
});

test("describe names the file, and who has changed it", async (t) => {
  const pilot = await startPilot(t);
  const file = pilot.write("a.yaml", `# a comment\n${route("v1")}`);
  await pilot.run(runApply, "-f", file, "-m", "first");
  const { out } = await pilot.run(runDescribe, "vs", "reviews");
  assert.match(out, /Name: +reviews\n/);
  assert.match(out, /From: +.*a\.yaml:3\n/);
  assert.match(out, /subset: v1/);
  assert.match(out, /1 {2}\d+s ago {2}created by ann: first/);
});

test("diff: 0 nothing, 1 something, 2 an error", async (t) => {
  const pilot = await startPilot(t);
  await pilot.run(runApply, "-f", pilot.write("a.yaml", route("v1")));
  assert.equal((await pilot.run(runDiff, "-f", join(pilot.folder, "a.yaml"))).code, 0);
  const { code, out } = await pilot.run(runDiff, "-f", pilot.write("b.yaml", route("v2")));
  assert.equal(code, 1);
  assert.match(out, /configured VirtualService\/default\/reviews\n/);
  assert.match(out, /\n-\s+subset: v1\n\+\s+subset: v2\n/);
  const away = await pilot.run(
    runDiff,
    "-f",
    join(pilot.folder, "a.yaml"),
    "--server",
    "http://127.0.0.1:1",
  );
  assert.equal(away.code, 2);
  assert.match(away.err, /no control plane answers at http:\/\/127\.0\.0\.1:1 .*heddle up/);
});

test("history and undo", async (t) => {
  const pilot = await startPilot(t);
  await pilot.run(runApply, "-f", pilot.write("a.yaml", route("v1")), "-m", "to v1");
  await pilot.run(runApply, "-f", pilot.write("b.yaml", route("v2")), "-m", "to v2");
  const { out } = await pilot.run(runHistory);
  assert.match(
    out,
    /^REVISION +WHEN +AUTHOR +OBJECTS +WHAT\n2 +\d+s ago +ann +1 +to v2\n1 .*to v1\n$/,
  );
  assert.match((await pilot.run(runHistory, "2")).out, /-\s+subset: v1\n\+\s+subset: v2/);
  assert.match((await pilot.run(runHistory, "vs/reviews")).out, /to v2/);
  const undone = await pilot.run(runUndo);
  assert.equal(undone.code, 0);
  assert.match(undone.out, /-\s+subset: v2\n\+\s+subset: v1/);
  assert.match((await pilot.run(runGet, "vs", "-o", "yaml")).out, /subset: v1/);
  const again = await pilot.run(runUndo, "2");
  assert.equal(again.code, 1);
  assert.match(again.err, /was changed since: undo the later change first/);
});

test("edit opens an editor again until the object is good", async (t) => {
  const pilot = await startPilot(t);
  await pilot.run(runApply, "-f", pilot.write("a.yaml", route("v1")));
  const opened: string[] = [];
  pilot.edit = (file) => {
    const text = readFileSync(file, "utf8");
    opened.push(text);
    writeFileSync(
      file,
      opened.length === 1
        ? text.replace("hosts:", "host:")
        : text.replace("host:\n", "hosts:\n").replace("subset: v1", "subset: v3"),
    );
  };
  const { code, out, err } = await pilot.run(runEdit, "vs", "reviews");
  assert.deepEqual(
    [code, out, err],
    [0, "virtualservice.networking.istio.io/reviews edited\n", ""],
  );
  assert.match(opened[1] ?? "", /^# It was refused:\n#.*\n#.*host: unknown field/);
  assert.match((await pilot.run(runGet, "vs", "-o", "yaml")).out, /subset: v3/);
  pilot.edit = () => {};
  assert.match((await pilot.run(runEdit, "vs/reviews")).out, /unchanged/);
});

test("delete by name and by file", async (t) => {
  const pilot = await startPilot(t);
  const file = pilot.write("a.yaml", route("v1"));
  await pilot.run(runApply, "-f", file);
  assert.equal((await pilot.run(runDelete, "vs")).code, 64);
  assert.equal(
    (await pilot.run(runDelete, "vs", "reviews")).out,
    "virtualservice.networking.istio.io/reviews deleted\n",
  );
  assert.equal((await pilot.run(runDelete, "-f", file)).code, 1);
  assert.equal((await pilot.run(runDelete, "-f", file, "--ignore-not-found")).code, 0);
});

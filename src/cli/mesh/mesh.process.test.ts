import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isFree } from "#agent/port-claims.ts";
import { systemClock } from "#lib/clock.ts";
import type { ConfigObject } from "#model/object.ts";
import { objectKey } from "#model/object.ts";
import { fakeProxy } from "../../../testkit/fake-sidecar.ts";
import { seededRandom } from "../../../testkit/seeded-random.ts";
import type { ControlPlane } from "../control-plane.ts";
import { readProject } from "../project/read-project.ts";
import { Mesh } from "./mesh.ts";
import { FolderInUse, StateFolder } from "./state-folder.ts";

/** Serves 200 on PORT, and says how it is. */
const program = `
const { createServer } = require("node:http");
createServer((request, response) => {
  if (request.url === "/die") process.exit(9);
  response.end(JSON.stringify(process.env));
}).listen(process.env.PORT, "127.0.0.1", () => console.log("serving"));
process.on("SIGTERM", () => { console.log("ending"); process.exit(0); });
`;

class RecordingControlPlane implements ControlPlane {
  readonly discovery = { host: "127.0.0.1", port: 15_010 };
  readonly applied: ConfigObject[] = [];
  readonly health: string[] = [];

  apply(objects: readonly ConfigObject[]): Promise<void> {
    this.applied.push(...objects);
    return Promise.resolve();
  }

  leave(): Promise<void> {
    return Promise.resolve();
  }

  setHealth(nodeId: string, healthy: boolean): Promise<void> {
    this.health.push(`${nodeId.split("~")[2]} ${healthy}`);
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

interface Rig {
  readonly mesh: Mesh;
  readonly controlPlane: RecordingControlPlane;
  /** `name: line`, in the order in which they came. */
  readonly said: string[];
  event(pattern: RegExp): Promise<void>;
}

function rig(t: TestContext, text: string): Rig {
  const folder = mkdtempSync(join(tmpdir(), "heddle-mesh-"));
  const controlPlane = new RecordingControlPlane();
  const said: string[] = [];
  const waiting: (() => void)[] = [];
  const say = (line: string): void => {
    said.push(line);
    for (const look of waiting) look();
  };
  const mesh = new Mesh({
    project: readProject({
      file: join(folder, "heddle.yaml"),
      name: "heddle.yaml",
      text,
      environment: { NODE: process.execPath, PROGRAM: program },
    }),
    state: StateFolder.open(join(folder, ".heddle"), process.pid),
    proxy: fakeProxy,
    controlPlane,
    environment: { OUTSIDE: "yes" },
    owner: process.pid,
    clock: systemClock,
    random: seededRandom(1),
    onProgramLine: (name, line) => say(`${name}: ${line}`),
    onProxyLine: (name, line) => say(`${name} proxy: ${line}`),
    onEvent: (name, message) => say(`${name} event: ${message}`),
  });
  t.after(async () => {
    await mesh.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const event = (pattern: RegExp): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (said.some((line) => pattern.test(line))) resolve();
      };
      waiting.push(look);
      look();
    });
  return { mesh, controlPlane, said, event };
}

const two = `
services:
  web:
    command: ["\${NODE}", -e, "\${PROGRAM}"]
    port: 8080
    depends_on: [store]
    upstreams: [mongo-db:27017]
    env: { OWN: here }
  store:
    command: ["\${NODE}", -e, "\${PROGRAM}"]
    ports: [9080, 9090/grpc]
    health: /
    versions: [v1, v2]
`;

async function environmentOf(mesh: Mesh, name: string): Promise<Record<string, string>> {
  const member = mesh.members.find(({ workload }) => workload.name === name);
  const port = member?.workload.inbound[0]?.appPort;
  const response = await fetch(`http://127.0.0.1:${port}/`);
  return (await response.json()) as Record<string, string>;
}

test("a project starts in order, each program with its place in the mesh, and ends without a trace", async (t) => {
  const { mesh, controlPlane, said } = rig(t, two);
  await mesh.start();
  assert.deepEqual(controlPlane.applied.map(objectKey), [
    "ServiceEntry/default/web",
    "WorkloadGroup/default/web-v1",
    "ServiceEntry/default/store",
    "WorkloadGroup/default/store-v1",
    "WorkloadGroup/default/store-v2",
  ]);
  const served = said.filter((line) => line.endsWith(": serving"));
  assert.equal(served.at(-1), "web-v1: serving");
  assert.deepEqual(served.slice(0, -1).sort(), ["store-v1: serving", "store-v2: serving"]);
  assert.deepEqual(controlPlane.health.toSorted(), [
    "store-v1-1.default true",
    "store-v2-1.default true",
    "web-v1-1.default true",
  ]);
  const environment = await environmentOf(mesh, "web-v1-1");
  assert.equal(environment["OWN"], "here");
  assert.equal(environment["OUTSIDE"], "yes");
  assert.equal(environment["SERVICE_VERSION"], "v1");
  assert.equal(environment["NODE_USE_ENV_PROXY"], "1");
  const [web] = mesh.members;
  assert.ok(web);
  assert.equal(environment["HTTP_PROXY"], `http://127.0.0.1:${web.workload.httpProxy.port}`);
  assert.equal(environment["MONGO_DB_SERVICE_HOST"], "127.0.0.1");
  assert.equal(environment["MONGO_DB_SERVICE_PORT"], String(web.workload.outbound[0]?.bindPort));
  const ports = mesh.members.flatMap(({ workload }) => [
    workload.admin.port,
    ...workload.inbound.map(({ appPort }) => appPort),
  ]);
  await mesh.stop();
  assert.equal(said.filter((line) => line.endsWith(": ending")).length, 3);
  assert.equal(said.filter((line) => line.endsWith(" proxy: drained")).length, 3);
  // Programs end before their proxies: what they still ask others is answered.
  assert.ok(said.lastIndexOf("web-v1: ending") < said.indexOf("web-v1 proxy: drained"));
  for (const port of ports) assert.ok(await isFree(port), `port ${port} is free`);
});

test("a program that dies is started again where it was", async (t) => {
  const { mesh, event, controlPlane } = rig(t, two);
  await mesh.start();
  const member = mesh.members.find(({ workload }) => workload.name === "store-v2-1");
  assert.ok(member);
  const before = member.program.pid;
  const port = member.workload.inbound[0]?.appPort;
  await fetch(`http://127.0.0.1:${port}/die`).catch(() => undefined);
  await event(/^store-v2 event: store-v2: ended with code 9; it is started again/);
  await event(/^store-v2 event: store-v2: is back/);
  assert.deepEqual(controlPlane.health.slice(-2), [
    "store-v2-1.default false",
    "store-v2-1.default true",
  ]);
  assert.notEqual(member.program.pid, before);
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
});

test("a program that ends before it is healthy fails the start, with its code", async (t) => {
  const { mesh } = rig(
    t,
    `services: { a: { command: ["\${NODE}", -e, "process.exit(7)"], port: 80 } }`,
  );
  await assert.rejects(mesh.start(), /a-v1: ended with code 7 before it was healthy/);
});

test("a program that never listens fails the start, with what is expected of it", async (t) => {
  const { mesh } = rig(
    t,
    `services: { a: { command: ["\${NODE}", -e, "setInterval(() => {}, 1000)"], health: { path: /up, timeout: 1ms } } }`,
  );
  await assert.rejects(
    mesh.start(),
    /a-v1: not healthy after 0.001 s: nothing good at 127.0.0.1:\d+\/up; a program listens on the port that the variable PORT names/,
  );
});

test("a program that is not there", async (t) => {
  const { mesh } = rig(t, "services: { a: { command: no-such-program-at-all } }");
  await assert.rejects(mesh.start(), /no-such-program-at-all: not found/);
});

test("one folder, one mesh; git leaves it alone", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-state-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, ".heddle");
  const state = StateFolder.open(path, process.ppid);
  assert.equal(readFileSync(join(path, ".gitignore"), "utf8"), "*\n");
  assert.throws(
    () => StateFolder.open(path, process.pid),
    (error) => error instanceof FolderInUse && error.message.includes(`process ${process.ppid}`),
  );
  state.release();
  StateFolder.open(path, process.pid).release();
});

test("processes of a mesh that was killed are ended by the next one in the folder, and no others", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-state-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, ".heddle");
  const before = StateFolder.open(path, process.pid);
  const waiting = (env: Readonly<Record<string, string>>): ChildProcess => {
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000); console.log()"], {
      detached: true,
      env,
      stdio: ["ignore", "pipe", "ignore"],
    });
    t.after(() => child.kill("SIGKILL"));
    return child;
  };
  const [ours, another] = [waiting(before.mark), waiting({ HEDDLE_MESH: "/elsewhere" })];
  for (const child of [ours, another]) {
    assert.ok(child.stdout);
    await once(child.stdout, "data");
    before.remember(child.pid ?? 0);
  }
  const ended = once(ours, "exit");
  StateFolder.open(path, process.pid).release();
  assert.deepEqual(await ended, [null, "SIGKILL"]);
  assert.equal(another.exitCode, null);
  assert.equal(another.signalCode, null);
});

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { systemClock } from "#lib/clock.ts";
import { fakeBootstrap, fakeProxy } from "../../testkit/fake-sidecar.ts";
import { seededRandom } from "../../testkit/seeded-random.ts";
import { PATIENCE_MS } from "../../testkit/wire.ts";
import { isFree, PortClaims } from "./port-claims.ts";
import { Sidecar, SidecarNotReady, type SidecarOptions } from "./sidecar.ts";

interface Rig {
  readonly sidecar: Sidecar;
  readonly port: number;
  readonly lines: string[];
  event(pattern: RegExp): Promise<void>;
}

async function rig(
  t: TestContext,
  config: object = {},
  options: Partial<SidecarOptions> = {},
): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), "heddle-sidecar-"));
  const claims = new PortClaims(folder, process.pid);
  const port = await claims.claim(folder);
  const bootstrapFile = join(folder, "bootstrap.json");
  writeFileSync(bootstrapFile, fakeBootstrap(port, config));
  const lines: string[] = [];
  const events: string[] = [];
  const waiting: (() => void)[] = [];
  const sidecar = new Sidecar({
    name: "reviews-v2",
    proxy: fakeProxy,
    bootstrapFile,
    admin: { host: "127.0.0.1", port },
    env: {},
    drainMs: 1000,
    readyMs: PATIENCE_MS,
    clock: systemClock,
    random: seededRandom(1),
    onLine: (line) => lines.push(line),
    onEvent: (message) => {
      events.push(message);
      for (const look of waiting) look();
    },
    ...options,
  });
  t.after(async () => {
    await sidecar.stop();
    claims.release();
    rmSync(folder, { recursive: true, force: true });
  });
  const event = (pattern: RegExp): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (events.some((message) => pattern.test(message))) resolve();
      };
      waiting.push(look);
      look();
    });
  return { sidecar, port, lines, event };
}

test("a sidecar is ready when its admin port says so, and ends drained", async (t) => {
  const { sidecar, port, lines } = await rig(t);
  await sidecar.start();
  assert.ok(sidecar.ready);
  assert.match(lines[0] ?? "", /-c .*bootstrap.json --concurrency 1 --drain-time-s 1/);
  await sidecar.stop();
  assert.ok(!sidecar.ready);
  assert.deepEqual(lines.slice(1), ["drained"]);
  assert.ok(await isFree(port));
});

test("a sidecar that dies is started again", async (t) => {
  const { sidecar, port, event } = await rig(t);
  await sidecar.start();
  const before = sidecar.pid;
  await fetch(`http://127.0.0.1:${port}/die`).catch(() => undefined);
  await event(/^reviews-v2: ended with code 3; it is started again/);
  await event(/is back/);
  assert.notEqual(sidecar.pid, before);
  assert.deepEqual([sidecar.ready, sidecar.restarts], [true, 1]);
});

test("a sidecar that is killed is started again, and stopping while it is away ends it", async (t) => {
  const { sidecar, event } = await rig(t);
  await sidecar.start();
  process.kill(sidecar.pid ?? 0, "SIGKILL");
  await event(/died of SIGKILL/);
  await sidecar.stop();
  assert.ok(!sidecar.ready);
});

test("a refused bootstrap is told with the proxy's own words", async (t) => {
  const { sidecar } = await rig(t, { refuses: "node.id: is missing" });
  await assert.rejects(sidecar.start(), (error: Error) => {
    assert.ok(error instanceof SidecarNotReady);
    assert.match(
      error.message,
      /^reviews-v2: ended with code 1\n {2}bootstrap: node.id: is missing$/,
    );
    return true;
  });
});

test("a sidecar without configuration is given up, and its process ends", async (t) => {
  const { sidecar, port } = await rig(t, { unready: true }, { readyMs: 1 });
  await assert.rejects(sidecar.start(), /not ready after 0.001 s/);
  assert.ok(await isFree(port));
});

test("a proxy that is not there", async (t) => {
  const proxy = { kind: "envoy", command: ["/nowhere/envoy"] } as const;
  const { sidecar } = await rig(t, {}, { proxy });
  await assert.rejects(sidecar.start(), /\/nowhere\/envoy: not found/);
});

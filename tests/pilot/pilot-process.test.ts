/** `heddle pilot` as a process: it says where it listens, follows its folder, and ends when it is told. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";

const heddle = fileURLToPath(new URL("../../src/main/heddle.ts", import.meta.url));

interface Running {
  readonly child: ChildProcess;
  readonly http: string;
  readonly lines: readonly string[];
  get(path: string): Promise<{ readonly status: number; readonly body: string }>;
  /** Resolves with the first line, of those that came and those that come, that fits. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
}

async function startPilot(t: TestContext, argv: readonly string[]): Promise<Running> {
  const listen = ["--grpcAddr", "127.0.0.1:0", "--httpAddr", "127.0.0.1:0"];
  const child = spawn(process.execPath, [heddle, "pilot", ...listen, ...argv], {
    stdio: ["ignore", "inherit", "pipe"],
  });
  t.after(async () => {
    if (child.exitCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  const lines: string[] = [];
  const waiting: (() => void)[] = [];
  createInterface({ input: child.stderr }).on("line", (text) => {
    lines.push(text);
    for (const wake of waiting.splice(0)) wake();
  });
  const ended = once(child, "exit").then(() => {
    for (const wake of waiting.splice(0)) wake();
  });
  const line = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const found = lines.map((text) => pattern.exec(text)).find((match) => match !== null);
      if (found !== undefined) return found;
      assert.equal(child.exitCode, null, lines.join("\n"));
      await Promise.race([ended, new Promise<void>((wake) => waiting.push(wake))]);
    }
  };
  const [, http = ""] = await line(/(http:\/\/127\.0\.0\.1:\d+)/);
  const get: Running["get"] = async (path) => {
    const response = await fetch(`${http}${path}`);
    return { status: response.status, body: await response.text() };
  };
  return { child, http, lines, get, line };
}

const entry = (host: string): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: entry}
spec:
  hosts: [${host}]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
`;

test("it serves what its folder says, and ends with 0", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-pilot-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "entry.yaml"), entry("one.example.com"));
  const pilot = await startPilot(t, ["--configDir", folder]);
  await pilot.line(/xDS \(gRPC\) on 127\.0\.0\.1:\d+/);
  assert.deepEqual(await pilot.get("/ready"), { status: 200, body: "ready\n" });
  assert.match((await pilot.get("/metrics")).body, /^pilot_services 1$/m);
  assert.match((await pilot.get("/debug/configz")).body, /one\.example\.com/);

  const node = { id: "sidecar~10.0.0.1~a.default~default.svc.cluster.local" };
  const ask = async (): Promise<string> => {
    const response = await fetch(`${pilot.http}/v3/discovery:clusters`, {
      method: "POST",
      body: JSON.stringify({ node }),
    });
    return response.text();
  };
  assert.match(await ask(), /outbound\|80\|\|one\.example\.com/);
  writeFileSync(join(folder, "entry.yaml"), entry("two.example.com"));
  while (!/outbound\|80\|\|two\.example\.com/.test(await ask()));

  writeFileSync(join(folder, "entry.yaml"), "kind: [");
  await pilot.line(/\[error\] .*entry\.yaml:1:/);
  assert.match(await ask(), /two\.example\.com/);
  assert.equal((await pilot.get("/debug/config_dump?proxyID=nobody")).status, 404);
  assert.equal((await pilot.get("/nothing")).status, 404);

  pilot.child.kill("SIGTERM");
  assert.deepEqual(await once(pilot.child, "exit"), [0, null]);
});

test("a wrong command line, and a port that somebody has", async (t) => {
  const taken = createServer();
  await new Promise<void>((listening) => {
    taken.listen(0, "127.0.0.1", listening);
  });
  t.after(() => taken.close());
  const end = async (...argv: readonly string[]): Promise<number | null> => {
    const child = spawn(process.execPath, [heddle, "pilot", ...argv], { stdio: "ignore" });
    t.after(() => child.kill("SIGKILL"));
    const [code] = await once(child, "exit");
    return code;
  };
  assert.equal(await end("--kubeconfig", "x"), 64);
  // Proof: it listens on TCP.
  const { port } = taken.address() as AddressInfo;
  const others = ["--httpAddr", "127.0.0.1:0"];
  assert.equal(await end("--grpcAddr", `127.0.0.1:${port}`, ...others), 1);
});

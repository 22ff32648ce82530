import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

const launcher = fileURLToPath(new URL("../bin/heddle", import.meta.url));
// biome-ignore lint/style/noProcessEnv: the launcher gets what the test process got.
const inherited = process.env;

function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return spawnSync(command, args, { encoding: "utf8", env: { ...inherited, ...env } });
}

test("bin/heddle runs the build, and the sources on request", () => {
  for (const env of [{}, { HEDDLE_SOURCES: "1" }]) {
    const { status, stdout, stderr } = run(launcher, ["version"], env);
    assert.match(stdout, /^heddle \d+\.\d+\.\d+\n$/, stderr);
    assert.equal(status, 0);
  }
});

test("bin/heddle works through links, as npm installs it, and with an older node first on PATH", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "heddle launcher "));
  t.after(() => rmSync(folder, { recursive: true }));
  symlinkSync(launcher, join(folder, "first"));
  symlinkSync("first", join(folder, "second"));
  writeFileSync(join(folder, "node"), "#!/bin/sh\nexit 99\n", { mode: 0o755 });
  const { status, stderr } = run(join(folder, "second"), ["version"], {
    PATH: `${folder}:${inherited["PATH"]}`,
  });
  assert.equal(status, 0, stderr);
});

test("without its own Node and with one too old, bin/heddle says what to do", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-launcher-"));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "bin"));
  copyFileSync(launcher, join(folder, "bin/heddle"));
  writeFileSync(join(folder, "bin/node"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  const { status, stderr } = run(join(folder, "bin/heddle"), ["version"], {
    PATH: `${folder}/bin:${inherited["PATH"]}`,
  });
  assert.match(stderr, /needs Node 22\.18 or newer/);
  assert.equal(status, 127);
});

test("exit codes and errors come through", () => {
  const { status, stderr } = run(launcher, ["no-such-command"]);
  assert.equal(status, 64);
  assert.match(stderr, /no command "no-such-command"/);
});

test("the process started is the one that runs: signals reach it, and no shell stays behind", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-launcher-"));
  t.after(() => rmSync(folder, { recursive: true }));
  // Preloaded into the launcher's Node: says who it is and waits for the signal.
  const probe = join(folder, "probe.mjs");
  writeFileSync(
    probe,
    `const alive = setInterval(() => {}, 60_000);
     process.once("SIGTERM", () => { clearInterval(alive); process.exit(42); });
     process.stdout.write(String(process.pid));
     await new Promise(() => {});`,
  );
  const env = { ...inherited, NODE_OPTIONS: `--import=${pathToFileURL(probe).href}` };
  const child = spawn(launcher, ["version"], { env, stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const [pid]: unknown[] = await once(child.stdout, "data");
  assert.equal(String(pid), String(child.pid));
  child.kill("SIGTERM");
  const [code]: unknown[] = await once(child, "exit");
  assert.equal(code, 42);
});

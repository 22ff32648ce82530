/** `heddle up` and `heddle run` as a user meets them. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { heddle, Running } from "./commands.ts";
import { eventually } from "./demo-process.ts";

const node = process.execPath;

/** Serves on PORT, and says which signal ends it. */
const server = `
const { createServer } = require("node:http");
createServer((request, response) => {
  response.end(request.headers.host + " " + process.env.SERVICE_VERSION);
}).listen(process.env.PORT, "127.0.0.1");
for (const signal of ["SIGTERM", "SIGUSR2"])
  process.on(signal, () => {
    console.log("got " + signal);
    if (signal === "SIGTERM") process.exit(5);
  });
`;

/** A mesh without programs, in a folder of its own. */
async function mesh(t: TestContext): Promise<{ readonly folder: string; readonly up: Running }> {
  const folder = mkdtempSync(join(tmpdir(), "heddle-run-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const up = new Running(t, folder, ["up", "--xds-port", "0", "--api-port", "0"]);
  await up.said(/up in/);
  return { folder, up };
}

test("programs join, call each other, and leave", async (t) => {
  const { folder, up } = await mesh(t);
  const serving = new Running(t, folder, [
    ...["run", "--service", "hello", "--version", "v2", "--port", "9080", "-e", "OWN=here"],
    ...["--", node, "-e", server],
  ]);
  await serving.said(/hello-v2-1 is in the mesh as http:\/\/hello:9080/);

  const asking = `
const { get } = require("node:http");
get("http://hello:9080/", (response) => response.on("data", (text) => { console.log(String(text)); process.exit(7); }));`;
  const asked = await heddle(folder, "run", "--service", "client", "--", node, "-e", asking);
  assert.equal(asked.code, 7, asked.stderr);
  assert.match(asked.stdout, /^hello:9080 v2$/m);

  // A client that knows no proxy dials an address of its own.
  const dialing = `
const { connect } = require("node:net");
const { HELLO_SERVICE_HOST: host, HELLO_SERVICE_PORT: port } = process.env;
const socket = connect(Number(port), host, () => socket.write("GET / HTTP/1.1\\r\\nhost: db\\r\\nconnection: close\\r\\n\\r\\n"));
socket.on("data", (text) => process.stdout.write(text));`;
  const dialed = await heddle(
    folder,
    ...["run", "--service", "client", "--upstream", "hello:9080", "--", node, "-e", dialing],
  );
  assert.equal(dialed.code, 0, dialed.stderr);
  assert.match(dialed.stdout, /db v2/);

  serving.child.kill("SIGUSR2");
  await serving.said(/got SIGUSR2/);
  assert.equal(await serving.stop("SIGTERM"), 5, serving.output);
  assert.match(serving.output, /got SIGTERM/);
  await eventually("its registration is gone", async () => {
    const { stdout } = await heddle(folder, "get", "workloadentries", "-o", "name");
    return stdout.includes("hello") ? undefined : true;
  });
  assert.equal(await up.stop("SIGINT"), 0, up.output);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name !== ".heddle"),
    [],
  );
});

test("what cannot run says why, and with which code it ends", async (t) => {
  const { folder } = await mesh(t);
  const run = ["run", "--service", "broken"];
  const absent = await heddle(folder, ...run, "--", "no-such-program-anywhere");
  assert.deepEqual(
    [absent.code, absent.stderr.includes("no-such-program-anywhere: not found")],
    [127, true],
    absent.stderr,
  );
  writeFileSync(join(folder, "text"), "not a program");
  const text = await heddle(folder, ...run, "--", "./text");
  assert.equal(text.code, 126, text.stderr);
  const nowhere = ["--server", "http://127.0.0.1:9"];
  const alone = await heddle(folder, ...run, ...nowhere, "--", node, "-e", "");
  assert.equal(alone.code, 69);
  assert.match(
    alone.stderr,
    /no control plane answers at http:\/\/127.0.0.1:9 .*start one with heddle up/,
  );
  const killed = await heddle(
    folder,
    ...run,
    "--",
    node,
    "-e",
    'process.kill(process.pid, "SIGKILL")',
  );
  assert.equal(killed.code, 137, killed.stderr);
  const proxy = await heddle(folder, ...run, "--proxy", "./text", "--", node, "-e", "");
  assert.equal(proxy.code, 126, proxy.stderr);
});

test("one mesh a folder; a wrong heddle.yaml starts nothing", async (t) => {
  const { folder, up } = await mesh(t);
  const second = await heddle(folder, "up", "--xds-port", "0", "--api-port", "0");
  assert.equal(second.code, 1);
  assert.match(second.stderr, new RegExp(`is in use: process ${up.child.pid} runs a mesh in it`));
  writeFileSync(join(folder, "wrong.yaml"), "servces: {}\nservices: { a: { comand: x } }\n");
  const wrong = await heddle(folder, "up", "-f", "wrong.yaml");
  assert.equal(wrong.code, 65);
  assert.deepEqual(wrong.stderr.trim().split("\n"), [
    'wrong.yaml:1:1: servces: unknown field "servces"; did you mean "services"?',
    'wrong.yaml:2:18: services.a.comand: unknown field "comand"; did you mean "command"?',
    'wrong.yaml:2:16: services.a: is missing "command": the program to run',
  ]);
});

test("a project: lines with names, a folder of rules that is watched, a gateway", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-up-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  // Nobody else has it at this moment, which is as sure as it gets for a port that a file names.
  const port = await freePort();
  writeFileSync(join(folder, "server.js"), server);
  writeFileSync(
    join(folder, "heddle.yaml"),
    `
config: rules.yaml
gateway: "${port}:8080"
services:
  hello: { command: ["${node}", server.js], port: 9080, versions: [v1, v2] }
`,
  );
  const rules = (version: string): string => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: all }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 8080, name: http, protocol: HTTP }, hosts: ["*"] }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: hello }
spec:
  host: hello
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: hello }
spec:
  hosts: ["*"]
  gateways: [all]
  http: [{ route: [{ destination: { host: hello, subset: ${version} } }] }]
`;
  writeFileSync(join(folder, "rules.yaml"), rules("v1"));
  const up = new Running(t, folder, ["up", "--xds-port", "0", "--api-port", "0"]);
  await up.said(/up in/);
  const answer = async (): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } });
    return response.text();
  };
  await eventually("v1 answers", async () => (await answer()).endsWith(" v1") || undefined);
  writeFileSync(join(folder, "rules.yaml"), rules("v2"));
  await eventually("v2 answers", async () => (await answer()).endsWith(" v2") || undefined);
  writeFileSync(join(folder, "rules.yaml"), rules("v1").replace("subset:", "subst:"));
  await up.said(/rules\.yaml:\d+:\d+ VirtualService\/default\/hello .*subst/);
  assert.match(await answer(), / v2$/);
  assert.equal(await up.stop("SIGINT"), 0, up.output);
  assert.match(up.output, /hello-v1 +\| got SIGTERM/);
  assert.match(readFileSync(join(folder, ".heddle/logs/hello-v2.log"), "utf8"), /got SIGTERM/);
  assert.equal(readFileSync(join(folder, ".heddle/.gitignore"), "utf8"), "*\n");
});

async function freePort(): Promise<number> {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
  const address = holder.address();
  await new Promise((resolve) => holder.close(resolve));
  assert.ok(typeof address === "object" && address !== null);
  return address.port;
}

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { runValidate } from "./validate.ts";

interface Result {
  readonly code: number;
  readonly stdout: readonly string[];
  readonly stderr: string;
}

/** Runs with files in a folder of its own, which the output calls DIR. */
function run(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  argv: readonly string[],
  stdin = "",
): Result {
  const folder = mkdtempSync(join(tmpdir(), "heddle-validate-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  let [stdout, stderr] = ["", ""];
  const code = runValidate(
    argv.map((word) => word.replace("DIR", folder)),
    {
      stdout: (text) => {
        stdout += text;
      },
      stderr: (text) => {
        stderr += text;
      },
      readStdin: () => stdin,
    },
  );
  const lines = stdout.replaceAll(folder, "DIR").split("\n").slice(0, -1);
  return { code, stdout: lines, stderr };
}

const rule = (name: string, host = "reviews"): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}}
spec:
  hosts: [${host}]
  http:
  - route: [{destination: {host: ${host}}}]
`;

test("good files end with 0 and print nothing to standard output", (t) => {
  const { code, stdout, stderr } = run(t, { "a.yaml": rule("a") }, ["-f", "DIR/a.yaml"]);
  assert.deepEqual([code, stdout], [0, []]);
  assert.equal(stderr, "1 good object, 0 problems, 0 warnings\n");
});

test("every problem of every file is a line, and the code is 65", (t) => {
  const bad = rule("b").replace("hosts: [reviews]", "hosts: [reviews_]\n  gateway: mesh");
  const files = { "a.yaml": `${bad}---\n${rule("c", '"*"')}`, "b.yaml": "kind: [\n" };
  const { code, stdout } = run(t, files, ["-f", "DIR/a.yaml", "-f", "DIR/b.yaml"]);
  assert.equal(code, 65);
  assert.deepEqual(stdout.slice(0, 4), [
    'DIR/a.yaml:5:11 VirtualService/default/b spec.hosts[0]: "reviews_" is not a host name: "reviews_" is not a label',
    'DIR/a.yaml:6:3 VirtualService/default/b spec.gateway: unknown field of istio.networking.v1alpha3.VirtualService; did you mean "gateways"?',
    'DIR/a.yaml:14:11 VirtualService/default/c spec.hosts[0]: "*" is for gateways only: name the hosts of the mesh',
    'DIR/a.yaml:16:34 VirtualService/default/c spec.http[0].route[0].destination.host: "*" is no destination: name a service',
  ]);
  assert.match(stdout[4] ?? "", /^DIR\/b\.yaml:2:1 \?\/\?\/\? document: /);
});

test("warnings are marked and do not change the code", (t) => {
  const deployment =
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\n";
  const { code, stdout } = run(t, { "a.yaml": `${deployment}---\n${rule("a")}` }, [
    "-f",
    "DIR/a.yaml",
  ]);
  assert.equal(code, 0);
  assert.deepEqual(stdout, [
    "warning DIR/a.yaml:2:7 Deployment/shop/web kind: apps/v1 Deployment is not read by Heddle",
  ]);
});

test("a folder's YAML and JSON is read, with -R also what lies deeper, and nothing else", (t) => {
  const json = JSON.stringify({
    apiVersion: "networking.istio.io/v1",
    kind: "Sidecar",
    metadata: { name: "s" },
    spec: {},
  });
  const files = { "a.yaml": rule("a"), "b.json": json, "c.txt": "{", "deep/d.yml": "nobody: 1\n" };
  const flat = run(t, files, ["-f", "DIR"]);
  assert.deepEqual(flat.stdout, [
    "DIR/b.json:1:88 Sidecar/default/s spec: says nothing: give ingress, egress, outboundTrafficPolicy or inboundConnectionPool",
  ]);
  const deep = run(t, files, ["-R", "-f", "DIR"]);
  assert.equal(deep.stdout.length, 2);
  assert.equal(deep.stdout[1], "DIR/deep/d.yml:1:1 ?/default/? kind: is required");
});

test("- is standard input, and -n the namespace of objects without one", (t) => {
  const { code, stdout } = run(t, {}, ["-f", "-", "-n", "shop"], rule("a", "x..y"));
  assert.equal(code, 65);
  assert.match(stdout[0] ?? "", /^<stdin>:5:11 VirtualService\/shop\/a spec\.hosts\[0\]: /);
});

test("a file that is not there is a problem like others, and the others are checked", (t) => {
  const { code, stdout } = run(t, { "a.yaml": rule("a", "x..y") }, [
    "-f",
    "DIR/no",
    "-f",
    "DIR/a.yaml",
  ]);
  assert.equal(code, 65);
  assert.match(stdout[0] ?? "", /^DIR\/no:1:1 \?\/\?\/\? document: cannot be read: /);
  assert.equal(stdout.length, 3);
});

test("what is given twice is a warning, in one file and in two", (t) => {
  const files = { "a.yaml": `${rule("a")}---\n${rule("a")}`, "b.yaml": rule("a") };
  const { code, stdout } = run(t, files, ["-f", "DIR"]);
  assert.equal(code, 0);
  assert.deepEqual(stdout, [
    "warning DIR/a.yaml:11:18 VirtualService/default/a metadata.name: is in DIR/a.yaml:3 too; only one of them counts",
    "warning DIR/b.yaml:3:18 VirtualService/default/a metadata.name: is in DIR/a.yaml:11 too; only one of them counts",
  ]);
});

test("Istio's ConfigMap and --mesh-config are checked as MeshConfig", (t) => {
  const map = `apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    accesLogFile: /dev/stdout
`;
  const files = { "a.yaml": map, "mesh.yaml": "connectTimeout: 2h\n" };
  const { stdout } = run(t, files, ["-f", "DIR/a.yaml", "--mesh-config", "DIR/mesh.yaml"]);
  assert.deepEqual(stdout, [
    'DIR/a.yaml:5:9 ConfigMap/istio-system/istio data.mesh: accesLogFile: unknown field of istio.mesh.v1alpha1.MeshConfig; did you mean "accessLogFile"?',
    "DIR/mesh.yaml:1:17 MeshConfig/-/default connectTimeout: 7200s is more than an hour",
  ]);
});

test("a wrong command line is 64, help is 0", (t) => {
  for (const argv of [[], ["-f"], ["--no-such-flag", "-f", "-"], ["file.yaml", "-f", "-"]]) {
    const { code, stdout, stderr } = run(t, {}, argv);
    assert.deepEqual([code, stdout], [64, []], argv.join(" "));
    assert.match(stderr, /^heddle validate: /);
  }
  const help = run(t, {}, ["--help"]);
  assert.equal(help.code, 0);
  assert.match(help.stdout.join("\n"), /--filename/);
});

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { recordedIo } from "../../testkit/offline-io.ts";
import { runXds } from "./xds.ts";

const node = "sidecar~10.0.0.1~app.default~default.svc.cluster.local";

const entry = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api}
spec:
  hosts: [api.example]
  addresses: [240.0.0.1]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  location: MESH_INTERNAL
  endpoints: [{address: 10.1.0.1}]
`;

const folder = mkdtempSync(join(tmpdir(), "heddle-xds-"));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function xds(input: string, ...flags: readonly string[]) {
  const recorded = recordedIo(input);
  const code = runXds(["-f", "-", "--node", node, ...flags], recorded.io);
  return { code, stdout: recorded.stdout(), stderr: recorded.stderr() };
}

test("all that a proxy gets is one object of four lists", () => {
  const { code, stdout } = xds(entry);
  assert.equal(code, 0);
  const output: unknown = JSON.parse(stdout);
  assert.ok(typeof output === "object" && output !== null);
  assert.deepEqual(Object.keys(output), ["lds", "rds", "cds", "eds"]);
  assert.partialDeepStrictEqual(output, {
    eds: [{ clusterName: "outbound|80||api.example", endpoints: [{ loadBalancingWeight: 1 }] }],
  });
});

test("one type is asked for by its name", () => {
  const { stdout } = xds(entry, "--type", "eds");
  const output: unknown = JSON.parse(stdout);
  assert.ok(typeof output === "object" && output !== null);
  assert.deepEqual(Object.keys(output), ["eds"]);
});

test("metadata wins over the node's id, and the mesh's configuration counts", () => {
  const metadata = file("metadata.json", JSON.stringify({ NAMESPACE: "other" }));
  const mesh = file("mesh.yaml", "connectTimeout: 3s\n");
  const hidden = entry.replace("  hosts:", '  exportTo: ["."]\n  hosts:');
  const cds = (...flags: readonly string[]) => xds(hidden, "--type", "cds", ...flags).stdout;
  assert.match(
    cds("--mesh-config", mesh),
    /"outbound\|80\|\|api.example"[\s\S]*"connectTimeout": "3s"/,
  );
  assert.doesNotMatch(cds("--metadata", metadata), /api.example/);
});

test("bad files end with 65 and a line for each problem on standard output", () => {
  const bad = entry.replace("resolution: STATIC", "resolution: STATICC").replace("hosts", "host");
  const { code, stdout } = xds(bad);
  assert.equal(code, 65);
  assert.match(stdout, /^<stdin>:\d+:\d+ ServiceEntry\/default\/api spec\.\S+: /m);
  assert.ok(stdout.trimEnd().split("\n").length >= 2);
});

test("files, metadata and nodes that are no good are all named at once", () => {
  const recorded = recordedIo();
  const notJson = file("bad.json", "{");
  const flags = ["-f", join(folder, "absent.yaml"), "--node", "sidecar~x", "--metadata", notJson];
  assert.equal(runXds(flags, recorded.io), 65);
  const output = recorded.stdout();
  assert.match(output, /absent\.yaml:1:1 \?\/\?\/\? document: cannot be read/);
  assert.match(output, /bad\.json: /);
  assert.match(output, /node id "sidecar~x" must be/);
});

test("a wrong command line ends with 64", () => {
  const recorded = recordedIo();
  assert.equal(runXds(["--node", node], recorded.io), 64);
  assert.match(recorded.stderr(), /required option '-f, --filename/);
  assert.equal(runXds(["-f", "-", "--node", node, "--type", "xds"], recordedIo().io), 64);
});

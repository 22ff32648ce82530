/** `heddle validate` as a process: its streams, its exit code, and files as people have them. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";

const root = join(import.meta.dirname, "../..");

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The input is written in pieces, as a pipe brings it. */
async function validate(argv: readonly string[], input: readonly string[] = []): Promise<Ended> {
  const child = spawn(process.execPath, [join(root, "src/main/heddle.ts"), "validate", ...argv], {
    cwd: root,
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  child.stdin.on("error", () => {
    // It may end without reading.
  });
  for (const piece of input) child.stdin.write(piece);
  child.stdin.end();
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}

const bookinfo = `apiVersion: v1
kind: Service
metadata: {name: reviews, labels: {app: reviews}}
spec:
  ports: [{port: 9080, name: http}]
  selector: {app: reviews}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: bookinfo-reviews}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews-v1}
spec: {replicas: 1}
---
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts:
  - reviews
  http:
  - match:
    - headers:
        end-user:
          exact: jason
    route:
    - destination: {host: reviews, subset: v2}
  - route:
    - destination: {host: reviews, subset: v1}
`;

test("Bookinfo as Istio writes it is good; what is not Istio's is passed over", async () => {
  const { code, stdout, stderr } = await validate(["-f", "-"], bookinfo.split(/(?<=---\n)/));
  assert.equal(code, 0, stdout);
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    "warning <stdin>:9:7 ServiceAccount/default/bookinfo-reviews kind: v1 ServiceAccount is not read by Heddle",
    "warning <stdin>:13:7 Deployment/default/reviews-v1 kind: apps/v1 Deployment is not read by Heddle",
  ]);
  assert.match(stderr, /^3 good objects, 0 problems, 2 warnings/);
});

test("the samples have no problem", async () => {
  const { code, stdout } = await validate(["-R", "-f", "samples/bookinfo"]);
  assert.equal(code, 0, stdout);
});

test("problems are lines of standard output, and the code is 65", async () => {
  const broken = bookinfo.replace("subset: v2", "subset: v2_").replace("hosts:", "host:");
  const { code, stdout } = await validate(["-f", "-"], [broken]);
  assert.equal(code, 65);
  const problems = stdout.split("\n").filter((line) => line !== "" && !line.startsWith("warning"));
  assert.ok(problems.length >= 2, stdout);
  for (const line of problems)
    assert.match(line, /^<stdin>:\d+:\d+ VirtualService\/default\/reviews spec\.\S+: /);
});

test("a wrong command line is 64, and says so on standard error only", async () => {
  const { code, stdout, stderr } = await validate(["--filename"]);
  assert.deepEqual([code, stdout], [64, ""]);
  assert.match(stderr, /heddle validate: /);
});

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { recordedIo } from "../../testkit/offline-io.ts";
import { runExplain } from "./explain.ts";

const mesh = `apiVersion: v1
kind: Service
metadata: {name: reviews}
spec:
  clusterIP: 10.96.0.1
  selector: {app: reviews}
  ports: [{name: http, port: 9080}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - name: jason
    match:
    - headers: {end-user: {exact: jason}}
    route: [{destination: {host: reviews, subset: v2}}]
  - name: others
    route:
    - {destination: {host: reviews, subset: v1}, weight: 90}
    - {destination: {host: reviews, subset: v3}, weight: 10}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
`;

const folder = mkdtempSync(join(tmpdir(), "heddle-explain-"));
after(() => rmSync(folder, { recursive: true }));
const meshFile = join(folder, "mesh.yaml");
writeFileSync(meshFile, mesh);

async function explain(calls: unknown, ...flags: readonly string[]) {
  const recorded = recordedIo(JSON.stringify(calls));
  const node = ["--node", "sidecar~10.0.0.1~app.default~default.svc.cluster.local"];
  const code = await runExplain(["-f", meshFile, ...node, "--call", "-", ...flags], recorded.io);
  return { code, stdout: recorded.stdout() };
}

const jason = {
  address: "10.96.0.1",
  port: 9080,
  hostHeader: "reviews:9080",
  path: "/reviews/0",
  headers: { "end-user": "jason" },
};

test("a call is an object, with every rule that decided and its line", async () => {
  const { code, stdout } = await explain(jason, "-o", "json");
  assert.equal(code, 0);
  const rule = { file: meshFile, namespace: "default", name: "reviews" };
  assert.deepEqual(JSON.parse(stdout), {
    listenerMatched: "0.0.0.0_9080",
    filterChainMatched: null,
    routeConfigMatched: "9080",
    virtualHostMatched: "reviews.default.svc.cluster.local:9080",
    routeMatched: "jason",
    clusterMatched: "outbound|9080|v2|reviews.default.svc.cluster.local",
    error: null,
    clusterFound: true,
    weightedClusters: null,
    answer: null,
    rules: [
      {
        decided: "virtualHost",
        kind: "VirtualService",
        ...rule,
        field: "spec.hosts[0]",
        line: 13,
        column: 11,
      },
      {
        decided: "route",
        kind: "VirtualService",
        ...rule,
        field: "spec.http[0].match[0]",
        line: 17,
        column: 7,
      },
      {
        decided: "cluster",
        kind: "DestinationRule",
        ...rule,
        field: "spec.subsets[1]",
        line: 31,
        column: 5,
      },
    ],
  });
});

test("a list of calls is a list", async () => {
  const { stdout } = await explain(
    [{ ...jason, headers: {} }, { address: "10.96.0.1", port: 9080, protocol: "tcp" }, { port: 1 }],
    "-o",
    "json",
  );
  assert.partialDeepStrictEqual(JSON.parse(stdout), [
    {
      routeMatched: "others",
      clusterMatched: null,
      weightedClusters: [
        { cluster: "outbound|9080|v1|reviews.default.svc.cluster.local", weight: 90 },
        { cluster: "outbound|9080|v3|reviews.default.svc.cluster.local", weight: 10 },
      ],
    },
    { listenerMatched: "0.0.0.0_9080", clusterMatched: "PassthroughCluster", routeMatched: null },
    { listenerMatched: "virtualOutbound", clusterMatched: "PassthroughCluster", error: null },
  ]);
});

test("people read a line for each step", async () => {
  const { stdout } = await explain([jason, { ...jason, headers: {} }]);
  assert.match(stdout, /^GET reviews:9080\/reviews\/0$/m);
  assert.match(
    stdout,
    /^ {2}route +jason\n +\S*mesh\.yaml:17:7 VirtualService\/default\/reviews spec\.http\[0\]/m,
  );
  assert.match(stdout, /^ {2}→ outbound\|9080\|v2\|reviews\.default\.svc\.cluster\.local$/m);
  assert.match(stdout, /→ 90% outbound\|9080\|v1\|\S+, 10% outbound\|9080\|v3\|\S+/);
});

test("a destination that does not exist is said to be none", async () => {
  const text = mesh.replace("subset: v2", "subset: v9");
  const file = join(folder, "v9.yaml");
  writeFileSync(file, text);
  const recorded = recordedIo(JSON.stringify(jason));
  const flags = ["--node", "sidecar~10.0.0.1~app.default~default.svc.cluster.local", "--call", "-"];
  assert.equal(await runExplain(["-f", file, ...flags], recorded.io), 0);
  assert.match(recorded.stdout(), /there is no such cluster: 503/);
});

test("what is wrong with calls and files ends with 65", async () => {
  const { code, stdout } = await explain([{ port: 80 }, { ports: 80 }]);
  assert.equal(code, 65);
  assert.match(stdout, /^-\[1\]\.ports: unknown field/m);
  const recorded = recordedIo("{}");
  assert.equal(
    await runExplain(["-f", "absent.yaml", "--node", "x", "--call", "-"], recorded.io),
    65,
  );
});

test("a URL is a call, too; a wrong one is a wrong command line", async () => {
  const file = join(folder, "url.yaml");
  writeFileSync(file, mesh);
  const run = async (...argv: string[]) => {
    const { io, stdout, stderr } = recordedIo();
    const node = "sidecar~10.0.0.1~app.default~default.svc.cluster.local";
    const code = await runExplain(["-f", file, "--node", node, ...argv], io);
    return { code, stdout: stdout(), stderr: stderr() };
  };
  const found = await run("http://reviews:9080/", "-H", "end-user: jason");
  assert.equal(found.code, 0);
  assert.match(found.stdout, /^ {2}→ outbound\|9080\|v2\|reviews\.default\.svc\.cluster\.local$/m);
  const wrong = await run("ftp://reviews/");
  assert.deepEqual([wrong.code, wrong.stdout], [64, ""]);
  assert.match(
    wrong.stderr,
    /^heddle explain: "ftp:\/\/reviews\/" is no call: write \[METHOD\] URL/,
  );
});

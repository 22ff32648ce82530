import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { recordedIo } from "../../testkit/offline-io.ts";
import { runTest } from "./test.ts";

const mesh = `apiVersion: v1
kind: Service
metadata: {name: shop}
spec:
  clusterIP: 10.96.0.1
  selector: {app: shop}
  ports: [{name: http, port: 80}, {name: tcp-db, port: 3306}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: shop}
spec:
  host: shop
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop]
  http:
  - name: moved
    match: [{uri: {exact: /old}}]
    redirect: {uri: /new, redirectCode: 302}
  - name: team
    match: [{sourceLabels: {team: red}}]
    route: [{destination: {host: shop, subset: v2}}]
  - name: missing
    match: [{uri: {exact: /missing}}]
    route: [{destination: {host: shop, subset: v9}}]
  - name: api
    match: [{uri: {prefix: /api/}}]
    rewrite: {uri: /, authority: api.internal}
    headers: {request: {set: {x-from: mesh}, remove: [cookie]}}
    timeout: 2s
    retries: {attempts: 5}
    mirror: {host: shop, subset: v2}
    fault: {delay: {fixedDelay: 3s, percentage: {value: 100}}}
    route: [{destination: {host: shop, subset: v1}}]
  - name: split
    route:
    - {destination: {host: shop, subset: v1}, weight: 75}
    - {destination: {host: shop, subset: v2}, weight: 25}
`;

const folder = mkdtempSync(join(tmpdir(), "heddle-test-"));
after(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, "mesh.yaml"), mesh);

function run(tests: string, name: string = "a.heddle-test.yaml") {
  const path = join(folder, name);
  writeFileSync(path, tests);
  const recorded = recordedIo();
  const code = runTest([path], recorded.io);
  rmSync(path);
  return { code, stdout: recorded.stdout(), stderr: recorded.stderr() };
}

/** One test of the mesh beside it. */
function one(call: string, expect: string, more: string = "") {
  return run(`tests: [{name: it, call: ${call}, expect: ${expect}${more}}]`);
}

describe("heddle test", () => {
  const passing: readonly (readonly [call: string, expect: string])[] = [
    ["http://shop/old", "{redirect: http://shop/new, status: 302, route: moved}"],
    ["http://shop/missing", "{status: 503}"],
    ["http://shop/api/x?y=1", "{path: /x?y=1, host: api.internal, timeout: 2.0s, retries: 5}"],
    ["http://shop/api/", "{mirrors: [{host: shop, subset: v2}], delay: 3s}"],
    [
      "{url: http://shop/api/, headers: {cookie: a}}",
      "{headers: {x-from: mesh, cookie: null}, destination: {host: shop, subset: v1, port: 80}}",
    ],
    [
      "http://shop/",
      "{destinations: [{host: shop, subset: v2, weight: 1}, {host: shop.default, subset: v1, weight: 3}]}",
    ],
    ["http://shop.default.svc.cluster.local/", "{route: split}"],
    ["http://elsewhere.test/", "{destination: PassthroughCluster}"],
    ["tcp://shop:3306", "{cluster: outbound|3306||shop.default.svc.cluster.local}"],
    ["https://elsewhere.test/", "{cluster: PassthroughCluster}"],
    ["{port: 80, callMode: inbound, address: 9.9.9.9}", "{cluster: InboundPassthroughCluster}"],
  ];
  for (const [call, expect] of passing) {
    test(`passes: ${call} ${expect}`, () => {
      const { code, stdout } = one(call, expect);
      assert.match(stdout, /✓ it\n1 passed\n$/);
      assert.equal(code, 0);
    });
  }

  const failing: readonly (readonly [call: string, expect: string, output: RegExp])[] = [
    [
      "http://shop/old",
      "{destination: shop}",
      /destination: expected shop\n +got 302 to http:\/\/shop\/new by the proxy/,
    ],
    [
      "http://shop/missing",
      "{destination: shop}",
      /got 503 by the proxy itself, as there is no cluster outbound\|80\|v9/,
    ],
    [
      "http://shop/",
      "{destination: shop}",
      /got 75% shop\.default\.svc\.cluster\.local:80\/v1, 25% /,
    ],
    [
      "http://shop/api/",
      "{destination: {host: shop, subset: v2}}",
      /got shop\.default\.svc\.cluster\.local:80\/v1/,
    ],
    [
      "http://shop/api/",
      "{headers: {x-from: none}}",
      /header x-from: expected "none"\n +got "mesh"/,
    ],
    ["http://shop/api/", "{mirrors: []}", /mirrors: expected none\n +got shop/],
    ["http://shop/api/", "{status: 200}", /status: expected 200\n +got shop\.default/],
    [
      "http://shop/api/",
      "{timeout: 1s, delay: 1s, retries: 1, error: NoRoute}",
      /error: .*\n.*\n.*timeout: .*\n.*2s\n.*delay: .*\n.*3s\n.*retries: .*\n.*got 5/,
    ],
    [
      "http://shop/",
      "{destinations: [{host: shop, subset: v1, weight: 1}]}",
      /expected 100% shop\/v1/,
    ],
  ];
  for (const [call, expect, output] of failing) {
    test(`fails: ${call} ${expect}`, () => {
      const { code, stdout } = one(call, expect);
      assert.equal(code, 1);
      assert.match(stdout, output);
      assert.match(stdout, /✗ it \(line 1\)/);
      assert.match(stdout, /1 failed\n$/);
    });
  }

  test("says which rule decided a call that failed", () => {
    const { stdout } = one("http://shop/api/", "{destination: details}");
    assert.match(
      stdout,
      /route by \S*mesh\.yaml:\d+ VirtualService\/default\/shop spec\.http\[3\]/,
    );
  });

  test("calls as the caller that the file or the test names", () => {
    const labels = ", from: {labels: {team: red}}";
    assert.equal(one("http://shop/", "{route: team}", labels).code, 0);
    const file = `from: {labels: {team: red}}\ntests: [{call: http://shop/, expect: {route: team}}]`;
    assert.equal(run(file).code, 0);
    const other = ", from: {namespace: other}";
    const destination =
      "{destinations: [{host: shop.default, subset: v1, weight: 3}, {host: shop.default, subset: v2, weight: 1}]}";
    assert.equal(one("http://shop.default/", destination, other).code, 0);
  });

  test("names everything that is wrong with a file, and runs the others", () => {
    const { code, stdout } = run(
      "from: {labels: [a]}\ntests:\n- {call: x, expects: {}}\n- {name: b, call: {}, expect: {error: Nothing, timeout: 1}}\n",
    );
    assert.equal(code, 65);
    assert.match(stdout, /:1:16 from\.labels: must be a map/);
    assert.match(stdout, /:3:22 tests\[0\]\.expects: unknown field; did you mean "expect"\?/);
    assert.match(stdout, /:3:3 tests\[0\]: a test needs what to expect/);
    assert.match(stdout, /tests\[1\]\.expect\.error: "Nothing" is none of NoListener/);
    assert.match(stdout, /tests\[1\]\.expect\.timeout: "1" is no duration/);
  });

  test("configuration with a problem is a problem of every test that needs it", () => {
    const { code, stdout } = run(
      "configuration: [absent.yaml]\ntests: [{call: http://a/, expect: {status: 1}}]",
    );
    assert.equal(code, 65);
    assert.match(stdout, /! \S*absent\.yaml:1:1 .*cannot be read/);
    assert.match(one("ftp://a/", "{status: 1}").stdout, /! .*: "ftp:\/\/a\/" is no call/);
    assert.match(one("{porty: 1}", "{status: 1}").stdout, /call\.porty: unknown field/);
  });

  test("finds the files of a folder; none is a wrong command line", () => {
    const recorded = recordedIo();
    assert.equal(runTest([folder], recorded.io), 64);
    assert.match(recorded.stderr(), /there is no \*\.heddle-test\.yaml/);
  });

  test("the sample's tests pass", () => {
    const sample = fileURLToPath(new URL("../../samples/bookinfo", import.meta.url));
    const recorded = recordedIo();
    assert.equal(runTest([sample], recorded.io), 0, recorded.stdout());
    assert.match(recorded.stdout(), /\n11 passed\n$/);
  });
});

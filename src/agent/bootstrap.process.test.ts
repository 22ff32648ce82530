import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { envoyPath } from "../../testkit/envoy-binary.ts";
import { type BootstrapOptions, renderBootstrap } from "./bootstrap.ts";
import type { Workload } from "./workload.ts";

const workload: Workload = {
  type: "sidecar",
  name: "reviews-v2-1",
  namespace: "shop",
  workloadName: "reviews-v2",
  labels: { app: "reviews", version: "v2" },
  serviceAccount: "reviews",
  address: "127.0.0.1",
  domain: "cluster.local",
  metadata: {},
};

const laptop: BootstrapOptions = {
  workload: {
    ...workload,
    group: "reviews-v2",
    ports: {
      inbound: [
        {
          servicePort: 9080,
          bind: "127.0.0.1",
          port: 20001,
          appAddress: "127.0.0.1",
          appPort: 20002,
        },
      ],
      outbound: [{ host: "mongodb", port: 27017, bind: "127.0.0.1", bindPort: 20003 }],
      httpProxy: { bind: "127.0.0.1", port: 20004 },
    },
  },
  discovery: { host: "127.0.0.1", port: 15010 },
  admin: { host: "127.0.0.1", port: 20005 },
};

const pod: BootstrapOptions = {
  workload: { ...workload, address: "10.0.0.7", metadata: { CLUSTER_ID: "east" } },
  discovery: { host: "istiod.istio-system.svc", port: 15010 },
  admin: { host: "127.0.0.1", port: 15000 },
  status: {
    prometheus: { host: "0.0.0.0", port: 15090 },
    health: { host: "0.0.0.0", port: 15021 },
  },
  statsOfIstioOnly: true,
};

const cases: Readonly<Record<string, BootstrapOptions>> = { laptop, pod };

for (const [name, options] of Object.entries(cases)) {
  test(`bootstrap: ${name}`, (t: TestContext) => {
    t.assert.fileSnapshot(
      renderBootstrap(options),
      join(import.meta.dirname, "testdata", `bootstrap-${name}.json`),
    );
  });

  test(`Envoy takes the bootstrap: ${name}`, (t: TestContext) => {
    const folder = mkdtempSync(join(tmpdir(), "heddle-bootstrap-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, "bootstrap.json");
    writeFileSync(file, JSON.stringify(renderBootstrap(options)));
    const flags = ["--mode", "validate", "--use-dynamic-base-id", "--concurrency", "1"];
    assert.match(execFileSync(envoyPath(), ["-c", file, ...flags]).toString(), / OK$/m);
  });
}

test("metadata that was asked for wins over what the agent knows", () => {
  const { node } = renderBootstrap(pod);
  assert.equal(node?.metadata?.["CLUSTER_ID"], "east");
  assert.equal(node?.id, "sidecar~10.0.0.7~reviews-v2-1.shop~shop.svc.cluster.local");
});

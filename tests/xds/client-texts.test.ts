/** Resources that come as text: polled from a REST server, or read from files. */
import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openApi, openConfigSource } from "#xds/client.ts";
import { clusterType, endpointType } from "#xds/resource-type.ts";
import type { ResourceClient } from "#xds/subscriber.ts";
import { clientServices } from "../../testkit/xds/client-services.ts";
import { FixedSource } from "../../testkit/xds/fixed-source.ts";
import { RecordingSubscriber } from "../../testkit/xds/recording-subscriber.ts";
import { assignment, edsCluster } from "./resources.ts";
import { startRest } from "./xds-server.ts";

test("REST: polled, 304 changes nothing, a new state replaces the old", async (t) => {
  const source = new FixedSource(new Map([[clusterType, [edsCluster("a"), edsCluster("b")]]]));
  const { port, asked } = await startRest(t, source);
  const client = openApi(
    clusterType,
    { apiType: "REST", clusterNames: [String(port)], refreshDelay: "0.01s", requestTimeout: "30s" },
    clientServices(),
  );
  t.after(() => client.close());
  const clusters = new RecordingSubscriber(clusterType);
  client.subscribe(clusters, "all");
  client.start();
  await clusters.until(() => clusters.names.join() === "a,b");
  const updates = clusters.updates.length;
  while ((asked.get(304) ?? 0) < 2) await new Promise(setImmediate);
  assert.equal(clusters.updates.length, updates);
  source.set(new Map([[clusterType, [edsCluster("b"), edsCluster("c")]]]));
  await clusters.until(() => clusters.names.join() === "b,c");
  assert.equal(client.state, "connected");
});

test("REST: what cannot be reached is said, and tried again", async (t) => {
  const client = openApi(
    clusterType,
    { apiType: "REST", clusterNames: ["1"], refreshDelay: "0.01s" },
    clientServices(),
  );
  t.after(() => client.close());
  const clusters = new RecordingSubscriber(clusterType);
  client.subscribe(clusters, "all");
  client.start();
  await clusters.until(() => clusters.failures.length >= 3);
  assert.match(clusters.failures[0] ?? "", /^cds: 1: cannot be reached: /);
});

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "heddle-xds-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** As a tool that writes configuration does it: whole, then moved into place. */
function place(path: string, resources: readonly object[], version: string): void {
  const response = { version_info: version, resources };
  writeFileSync(`${path}.new`, JSON.stringify(response));
  renameSync(`${path}.new`, path);
}

function clusterFile(t: TestContext): { path: string; open: () => ResourceClient } {
  const path = join(folder(t), "cds.json");
  const open = (): ResourceClient => {
    const config = { pathConfigSource: { path } };
    const client = openConfigSource(clusterType, config, clientServices());
    assert.ok(client);
    t.after(() => client.close());
    return client;
  };
  return { path, open };
}

const any = (json: object, message = clusterType): object => ({
  "@type": message.typeUrl,
  ...json,
});

test("a file: read, moved into place, a bad one changes nothing", async (t) => {
  const { path, open } = clusterFile(t);
  place(path, [any(edsCluster("a"))], "1");
  const client = open();
  const clusters = new RecordingSubscriber(clusterType);
  client.subscribe(clusters, "all");
  client.start();
  await clusters.until(() => clusters.names.join() === "a");
  place(path, [any(edsCluster("b"))], "2");
  await clusters.until(() => clusters.names.join() === "b");
  place(path, [any(edsCluster("c")), any({ ...edsCluster("d"), connectTimeout: "soon" })], "3");
  await clusters.until(() => clusters.refusals.length === 1);
  assert.match(
    clusters.refusals[0]?.map(({ path: at, message }) => `${at} ${message}`).join() ?? "",
    /cds\.json:1:\d+: resources\[1\]\.connectTimeout must be a duration/,
  );
  assert.deepEqual(clusters.names, ["b"]);
  place(path, [any({ ...edsCluster("e"), connectTimeout: "0s" })], "4");
  await clusters.until(() => clusters.refusals.length === 2);
  assert.match(
    clusters.refusals[1]?.[0]?.path ?? "",
    /cds\.json:1:\d+: resources\[0\]\.connectTimeout/,
  );
  assert.equal(client.dump()[0]?.version, "2");
});

test("a file that comes later", async (t) => {
  const { path, open } = clusterFile(t);
  const client = open();
  const clusters = new RecordingSubscriber(clusterType);
  client.subscribe(clusters, "all");
  client.start();
  await clusters.until(() => clusters.failures.length === 1);
  assert.match(clusters.failures[0] ?? "", /cds\.json cannot be read: ENOENT/);
  place(path, [any(edsCluster("a"))], "1");
  await clusters.until(() => clusters.names.join() === "a");
});

test("a file of endpoints: each name by itself, asked for later, in a wrapper with a version", async (t) => {
  const path = join(folder(t), "eds.json");
  const wrapped = {
    "@type": "type.googleapis.com/envoy.service.discovery.v3.Resource",
    name: "b",
    version: "of b",
    resource: any(assignment("b", [2]), endpointType),
  };
  place(path, [any(assignment("a", [1]), endpointType), wrapped], "1");
  const client = openConfigSource(endpointType, { path }, clientServices());
  assert.ok(client);
  t.after(() => client.close());
  const a = new RecordingSubscriber(endpointType);
  client.subscribe(a, ["a"]);
  client.start();
  await a.until(() => a.names.join() === "a");
  const b = new RecordingSubscriber(endpointType);
  client.subscribe(b, ["b"]);
  await b.until(() => b.names.join() === "b");
  assert.equal(b.updates[0]?.set[0]?.version, "of b");
  assert.deepEqual(b.resources.get("b"), assignment("b", [2]));
});

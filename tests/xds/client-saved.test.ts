/** A client that starts while its control plane is away. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { GrpcServer } from "#grpc/server.ts";
import { systemClock } from "#lib/clock.ts";
import { systemRandom } from "#lib/random.ts";
import { ipAddress } from "#net/address.ts";
import { openAds } from "#xds/client.ts";
import { clusterType, endpointType, type ResourceType, secretType } from "#xds/resource-type.ts";
import { XdsServer } from "#xds/server.ts";
import type { ResourceClient } from "#xds/subscriber.ts";
import { apiSource, clientServices } from "../../testkit/xds/client-services.ts";
import { FixedSource } from "../../testkit/xds/fixed-source.ts";
import { RecordingSubscriber } from "../../testkit/xds/recording-subscriber.ts";
import { assignment, edsCluster } from "./resources.ts";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "heddle-xds-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

interface Server {
  readonly port: number;
  stop(): Promise<void>;
}

async function serve(t: TestContext, source: FixedSource, port = 0): Promise<Server> {
  const xds = new XdsServer({ clock: systemClock, source });
  const grpc = new GrpcServer({ clock: systemClock, random: systemRandom });
  xds.register(grpc);
  const bound = await grpc.listen(ipAddress("127.0.0.1", port));
  const stop = async (): Promise<void> => {
    xds.close();
    await grpc.close();
  };
  t.after(stop);
  return { port: bound.port, stop };
}

interface Client {
  readonly client: ResourceClient;
  readonly clusters: RecordingSubscriber;
  readonly endpoints: RecordingSubscriber;
}

function started(
  t: TestContext,
  apiType: "GRPC" | "DELTA_GRPC",
  { port, saveFolder }: { readonly port: number; readonly saveFolder: string },
): Client {
  const client = openAds(apiSource(apiType, port), clientServices({ saveFolder }));
  t.after(() => client.close());
  const clusters = new RecordingSubscriber(clusterType);
  const endpoints = new RecordingSubscriber(endpointType);
  const eds = client.subscribe(endpoints, []);
  clusters.refuse = ({ set }) => {
    eds.add(set.map(({ name }) => name));
    return [];
  };
  client.subscribe(clusters, "all");
  client.subscribe(new RecordingSubscriber(secretType), ["key"]);
  client.start();
  return { client, clusters, endpoints };
}

async function saved(path: string, isWhole: (text: string) => boolean): Promise<void> {
  const watcher = watch(path);
  const texts = (): string[] =>
    readdirSync(path)
      .filter((name) => name.endsWith(".saved"))
      .map((name) => readFileSync(join(path, name), "utf8"));
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (texts().some(isWhole)) resolve();
    };
    watcher.on("change", look);
    look();
  });
  watcher.close();
}

for (const apiType of ["GRPC", "DELTA_GRPC"] as const) {
  test(`${apiType}: starts from what was saved, and goes on with the server when it comes`, async (t) => {
    const secret = { name: "key", genericSecret: { secret: { inlineString: "not for a disk" } } };
    const source = new FixedSource(
      new Map<ResourceType, object[]>([
        [clusterType, [edsCluster("a"), edsCluster("b")]],
        [endpointType, [assignment("a", [1]), assignment("b", [2])]],
        [secretType, [secret]],
      ]),
    );
    const saveFolder = folder(t);
    const first = await serve(t, source);
    const earlier = started(t, apiType, { port: first.port, saveFolder });
    await earlier.endpoints.until(() => earlier.endpoints.names.join() === "a,b");
    await source.settled(clusterType, endpointType, secretType);
    await saved(saveFolder, (text) => text.split('"name":"b"').length === 3);
    earlier.client.close();
    await first.stop();
    const [file = ""] = readdirSync(saveFolder);
    assert.doesNotMatch(readFileSync(join(saveFolder, file), "utf8"), /key|transport_sockets/);

    const later = started(t, apiType, { port: first.port, saveFolder });
    await later.endpoints.until(() => later.endpoints.names.join() === "a,b");
    assert.deepEqual(later.clusters.resources.get("b"), edsCluster("b"));
    assert.deepEqual(later.endpoints.resources.get("b"), assignment("b", [2]));

    source.set(new Map([[clusterType, [edsCluster("b"), edsCluster("c")]]]));
    const updates = later.clusters.updates.length;
    await serve(t, source, first.port);
    await later.clusters.until(() => later.clusters.names.join() === "b,c");
    const news = later.clusters.updates.slice(updates);
    assert.deepEqual(
      news.flatMap(({ set }) => set.map(({ name }) => name)),
      ["c"],
    );
    assert.deepEqual(
      news.flatMap(({ removed }) => removed),
      ["a"],
    );
  });
}

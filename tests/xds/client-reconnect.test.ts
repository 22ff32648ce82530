/** When the client tries again, and whom. The clock is moved by hand; the sockets are real. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import type { ApiConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import { GrpcServer } from "#grpc/server.ts";
import { grpcBackoff } from "#lib/backoff.ts";
import { systemClock } from "#lib/clock.ts";
import { systemRandom } from "#lib/random.ts";
import { ipAddress } from "#net/address.ts";
import { openAds } from "#xds/client.ts";
import { clusterType, endpointType, listenerType, routeType } from "#xds/resource-type.ts";
import { XdsServer } from "#xds/server.ts";
import type { ResourceClient } from "#xds/subscriber.ts";
import { SubscriptionStats } from "#xds/subscription-stats.ts";
import { FakeClock } from "../../testkit/fake-clock.ts";
import { seededRandom } from "../../testkit/seeded-random.ts";
import { clientServices } from "../../testkit/xds/client-services.ts";
import { FixedSource } from "../../testkit/xds/fixed-source.ts";
import { RecordedStats } from "../../testkit/xds/recorded-stats.ts";
import { RecordingSubscriber } from "../../testkit/xds/recording-subscriber.ts";
import { edsCluster } from "./resources.ts";

/** Remembers what the client waits for between attempts: not the channel, which may take 20 s to connect and has its own back-off. */
class WatchedClock extends FakeClock {
  readonly waits: number[] = [];
  #onWait: (() => void) | undefined;

  override after(milliseconds: number, callback: () => void): { cancel(): void } {
    const timer = super.after(milliseconds, callback);
    if (milliseconds !== 20_000 && milliseconds !== grpcBackoffMs) {
      this.waits.push(milliseconds);
      this.#onWait?.();
    }
    return timer;
  }

  /** Resolves when there were so many waits. */
  async waited(count: number): Promise<void> {
    while (this.waits.length < count) {
      await new Promise<void>((resolve) => {
        this.#onWait = resolve;
      });
    }
  }
}

const grpcBackoffMs = grpcBackoff.initialMs * (1 + grpcBackoff.jitter);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function serve(
  t: TestContext,
  source: FixedSource,
  port = 0,
): Promise<{ port: number; stop: () => Promise<void> }> {
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

function sourceOf(ports: readonly number[], more: object = {}): ApiConfigSourceJson {
  const grpcServices = ports.map((port) => ({ envoyGrpc: { clusterName: String(port) } }));
  return { apiType: "GRPC", grpcServices, ...more };
}

interface Parts {
  readonly client: ResourceClient;
  readonly clock: WatchedClock;
  readonly stats: RecordedStats;
  readonly clusters: RecordingSubscriber;
}

function opened(t: TestContext, config: ApiConfigSourceJson): Parts {
  const clock = new WatchedClock();
  const stats = new RecordedStats();
  // The longest wait each time.
  const random = { ...seededRandom(1), unit: () => 1 };
  const client = openAds(config, clientServices({ clock, random, stats }));
  t.after(() => client.close());
  const clusters = new RecordingSubscriber(clusterType);
  client.subscribe(clusters, "all");
  return { client, clock, stats, clusters };
}

test("a server that is away is tried at Envoy's intervals, which double", async (t) => {
  const { client, clock, clusters } = opened(t, sourceOf([await freePort()]));
  client.start();
  for (let attempt = 1; attempt <= 8; attempt++) {
    await clock.waited(attempt);
    assert.equal(clusters.failures.length, attempt);
    clock.advance(clock.waits[attempt - 1] ?? 0);
  }
  assert.deepEqual(clock.waits.slice(0, 8), [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

test("the retry policy of the service has its own intervals", async (t) => {
  const retryBackOff = { baseInterval: "0.1s", maxInterval: "0.3s" };
  const clusterName = String(await freePort());
  const grpcServices = [{ envoyGrpc: { clusterName, retryPolicy: { retryBackOff } } }];
  const { client, clock } = opened(t, { apiType: "DELTA_GRPC", grpcServices });
  client.start();
  for (let attempt = 1; attempt <= 3; attempt++) {
    await clock.waited(attempt);
    clock.advance(clock.waits[attempt - 1] ?? 0);
  }
  assert.deepEqual(clock.waits.slice(0, 3), [100, 200, 300]);
});

test("an answer makes the intervals short again", async (t) => {
  const source = new FixedSource(new Map([[clusterType, [edsCluster("a")]]]));
  const port = await freePort();
  const { client, clock, clusters } = opened(t, sourceOf([port]));
  client.start();
  await clock.waited(1);
  clock.advance(500);
  await clock.waited(2);
  const server = await serve(t, source, port);
  clock.advance(1000);
  await clusters.until(() => clusters.names.length === 1);
  assert.equal(client.state, "connected");
  await server.stop();
  await clock.waited(3);
  assert.deepEqual(clock.waits, [500, 1000, 500]);
  assert.equal(client.state, "waiting");
});

test("the second server serves while the first is away, and the first when it is there again", async (t) => {
  const first = new FixedSource(new Map([[clusterType, [edsCluster("of the first")]]]));
  const second = new FixedSource(new Map([[clusterType, [edsCluster("of the second")]]]));
  const firstPort = await freePort();
  const { port: secondPort } = await serve(t, second);
  const { client, clock, stats, clusters } = opened(t, sourceOf([firstPort, secondPort]));
  client.start();
  await clock.waited(1);
  // The second attempt in vain is the last: the next server has its turn at once.
  clock.advance(500);
  await clusters.until(() => clusters.names.join() === "of the second");
  assert.equal(stats.values.get("control_plane.connected_state"), 2);
  await clock.waited(2);
  assert.equal(clock.waits[1], 45_000);
  clock.advance(45_000);
  // Still away: the second goes on serving, and the first is tried again later.
  await clock.waited(3);
  assert.equal(clusters.failures.length, 2);
  await serve(t, first, firstPort);
  clock.advance(45_000);
  await clusters.until(() => clusters.names.join() === "of the first");
  assert.equal(stats.values.get("control_plane.connected_state"), 1);
  await second.until(() => second.connections.size === 0);
  assert.equal(clusters.failures.length, 2);
});

test("more requests than the rate allows wait for their turn", async (t) => {
  const source = new FixedSource();
  const { port } = await serve(t, source);
  const rateLimitSettings = { maxTokens: 2, fillRate: 1 };
  const { client, clock, stats } = opened(t, sourceOf([port], { rateLimitSettings }));
  for (const type of [endpointType, listenerType, routeType])
    client.subscribe(new RecordingSubscriber(type), type === listenerType ? "all" : ["a"]);
  client.start();
  const asked = (): number =>
    [...source.connections].reduce((sum, one) => sum + [...one.subscriptions].length, 0);
  await clock.waited(1);
  await source.until(() => asked() === 2);
  assert.equal(stats.values.get("control_plane.rate_limit_enforced"), 1);
  assert.ok(Number(stats.values.get("control_plane.pending_requests")) >= 2);
  clock.advance(1000);
  await source.until(() => asked() === 3);
});

test("stats by Envoy's names", async (t) => {
  const source = new FixedSource(new Map([[clusterType, [edsCluster("a")]]]));
  const server = await serve(t, source);
  const { client, clock, stats } = opened(t, sourceOf([server.port]));
  const own = new RecordedStats();
  const clusters = Object.assign(new RecordingSubscriber(clusterType), {
    stats: new SubscriptionStats(own),
  });
  client.subscribe(clusters, "all");
  client.start();
  await clusters.until(() => clusters.names.length === 1);
  assert.equal(stats.values.get("control_plane.connected_state"), 1);
  assert.equal(stats.values.get("control_plane.identifier"), "heddle");
  await source.settled(clusterType);
  assert.equal(own.values.get("update_success"), 1);
  assert.equal(own.values.get("update_attempt"), 2);
  assert.equal(own.values.get("version_text"), clusters.updates[0]?.version);
  assert.ok(Number(own.values.get("version")) > 0);
  assert.equal(own.values.get("update_time"), clock.wallMs());
  assert.equal(own.values.get("update_duration"), 0);
  clusters.refuse = () => [{ name: "b", path: "", message: "no" }];
  source.set(new Map([[clusterType, [edsCluster("b")]]]));
  await source.until(() => source.answers.some(({ answer }) => answer.refused !== undefined));
  assert.equal(own.values.get("update_rejected"), 1);
  await server.stop();
  await clusters.until(() => clusters.failures.length === 1);
  assert.equal(own.values.get("update_failure"), 1);
  assert.equal(own.values.get("update_attempt"), 4);
  assert.equal(stats.values.get("control_plane.connected_state"), 0);
});

/** The xDS services as a client meets them: over a real socket, with our own gRPC. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { create, type DescMethodBiDiStreaming, fromBinary } from "@bufbuild/protobuf";
import { ClusterSchema } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { ClusterDiscoveryService } from "#gen/envoy/service/cluster/v3/cds_pb.js";
import { AggregatedDiscoveryService } from "#gen/envoy/service/discovery/v3/ads_pb.js";
import {
  type DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  type DeltaDiscoveryResponseSchema,
  DeltaDiscoveryRequestSchema as DeltaSchema,
  DiscoveryRequestSchema as RequestSchema,
} from "#gen/envoy/service/discovery/v3/discovery_pb.js";
import { GrpcChannel } from "#grpc/channel.ts";
import { GrpcServer } from "#grpc/server.ts";
import type { GrpcStatus } from "#grpc/status.ts";
import { systemClock } from "#lib/clock.ts";
import { systemRandom } from "#lib/random.ts";
import { ipAddress } from "#net/address.ts";
import { connect } from "#net/connect.ts";
import { clusterType, listenerType, type ResourceType } from "#xds/resource-type.ts";
import { XdsServer, type XdsServerOptions } from "#xds/server.ts";
import { FakeClock } from "../../testkit/fake-clock.ts";
import { FixedSource } from "../../testkit/xds/fixed-source.ts";

const clusters = (...list: readonly string[]) => list.map((name) => ({ name }));
const node = { id: "me", cluster: "test" };

async function started(
  t: TestContext,
  source: FixedSource,
  options: Partial<XdsServerOptions> = {},
): Promise<{ xds: XdsServer; channel: GrpcChannel }> {
  const xds = new XdsServer({ clock: systemClock, source, ...options });
  const grpc = new GrpcServer({ clock: systemClock, random: systemRandom });
  xds.register(grpc);
  const address = await grpc.listen(ipAddress("127.0.0.1", 0));
  const channel = new GrpcChannel({
    connect: (callbacks) => connect(address, {}, callbacks),
    authority: "xds",
    clock: systemClock,
    random: systemRandom,
  });
  t.after(async () => {
    channel.close();
    await grpc.close();
  });
  return { xds, channel };
}

type DeltaMethod = DescMethodBiDiStreaming<
  typeof DeltaDiscoveryRequestSchema,
  typeof DeltaDiscoveryResponseSchema
>;
type DeltaFields = Parameters<typeof create<typeof DeltaSchema>>[1];

/** A delta stream whose responses and end can be awaited, one after the other. */
function openDelta(channel: GrpcChannel, method: DeltaMethod) {
  const responses: DeltaDiscoveryResponse[] = [];
  let ended: GrpcStatus | undefined;
  let wake = (): void => {};
  const call = channel.call(method, {
    onMessage: (message) => {
      responses.push(message);
      wake();
    },
    onEnd: (status) => {
      ended = status;
      wake();
    },
  });
  const until = async (isTrue: () => boolean): Promise<void> => {
    while (!isTrue())
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  return {
    send: (fields: NonNullable<DeltaFields>) => call.send(create(DeltaSchema, fields)),
    next: async (): Promise<DeltaDiscoveryResponse> => {
      await until(() => responses.length > 0 || ended !== undefined);
      const response = responses.shift();
      assert.ok(response, ended?.message ?? "no response");
      return response;
    },
    end: async (): Promise<GrpcStatus | undefined> => {
      await until(() => ended !== undefined);
      return ended;
    },
  };
}

const ads = AggregatedDiscoveryService.method.deltaAggregatedResources;
const names = ({ resources }: DeltaDiscoveryResponse) => resources.map(({ name }) => name);

test("a stream of one type needs no type, and takes no other", async (t) => {
  const source = new FixedSource(new Map([[clusterType, clusters("a")]]));
  const { channel } = await started(t, source);
  const method = ClusterDiscoveryService.method.deltaClusters;
  const stream = openDelta(channel, method);
  stream.send({ node });
  const response = await stream.next();
  assert.deepEqual(names(response), ["a"]);
  assert.equal(response.typeUrl, clusterType.typeUrl);
  assert.equal(response.controlPlane?.identifier, "heddle");
  const other = openDelta(channel, method);
  other.send({ node, typeUrl: listenerType.typeUrl });
  const status = await other.end();
  assert.equal(status?.code, 3);
  assert.match(status.message, /Listener on a stream of .*Cluster/);
});

test("an aggregated request without a type is refused", async (t) => {
  const { channel } = await started(t, new FixedSource());
  const stream = openDelta(channel, ads);
  stream.send({ node });
  assert.match((await stream.end())?.message ?? "", /needs type_url/);
});

test("a type that nobody knows is answered: there is nothing of it; the stream lives on", async (t) => {
  const source = new FixedSource(new Map([[clusterType, clusters("a")]]));
  const { xds, channel } = await started(t, source);
  const stream = openDelta(channel, ads);
  const typeUrl = "type.googleapis.com/some.Thing";
  stream.send({ node, typeUrl, resourceNamesSubscribe: ["x"] });
  const nothing = await stream.next();
  assert.equal(nothing.typeUrl, typeUrl);
  assert.deepEqual([names(nothing), nothing.removedResources], [[], ["x"]]);
  stream.send({ typeUrl: clusterType.typeUrl });
  assert.deepEqual(names(await stream.next()), ["a"]);
  assert.equal(xds.counters.unknownTypes, 1);
});

test("more names than the limit end the stream, and are counted", async (t) => {
  const { xds, channel } = await started(t, new FixedSource(), { namesMax: 2 });
  const stream = openDelta(channel, ads);
  const { typeUrl } = clusterType;
  stream.send({ node, typeUrl, resourceNamesSubscribe: ["a", "b"] });
  await stream.next();
  stream.send({ typeUrl, resourceNamesSubscribe: ["c"] });
  const status = await stream.end();
  assert.equal(status?.code, 8);
  assert.match(status.message, /3 names of cds: at most 2/);
  assert.equal(xds.counters.namesOverLimit, 1);
});

test("Fetch gives the whole state; SotW says refusals and keeps the last good", async (t) => {
  const source = new FixedSource(new Map([[clusterType, clusters("a", "b")]]));
  const { channel } = await started(t, source);
  const request = create(RequestSchema, { node });
  const whole = await channel.unary(ClusterDiscoveryService.method.fetchClusters, request);
  const fetched = whole.resources.map(({ value }) => fromBinary(ClusterSchema, value).name);
  assert.deepEqual(fetched, ["a", "b"]);

  const versions: string[] = [];
  let answered = (): void => {};
  const call = channel.call(ClusterDiscoveryService.method.streamClusters, {
    onMessage: ({ versionInfo, nonce }) => {
      const good = versions.length === 0;
      versions.push(versionInfo);
      const refusal = { code: 3, message: "cluster c: no" };
      const fields = good
        ? { versionInfo }
        : { versionInfo: versions[0] ?? "", errorDetail: refusal };
      call.send(create(RequestSchema, { responseNonce: nonce, ...fields }));
      answered();
    },
    onEnd: () => {},
  });
  call.send(create(RequestSchema, { node }));
  await source.settled(clusterType);
  const second = new Promise<void>((resolve) => {
    answered = resolve;
  });
  source.set(new Map([[clusterType, clusters("c")]]));
  await second;
  await source.until(() => source.answers.some(({ answer }) => answer.refused !== undefined));
  const [connection] = source.connections;
  const [status] = connection?.subscriptions ?? [];
  assert.equal(status?.refused?.detail, "cluster c: no");
  assert.deepEqual([...(status?.held.names() ?? [])], ["a", "b"]);
  assert.equal(whole.versionInfo, versions[0]);
});

test("what waits for an acknowledgement that does not come goes after five seconds", async (t) => {
  const clock = new FakeClock();
  const world = (content: string) =>
    new Map<ResourceType, readonly object[]>([
      [clusterType, [{ name: "a", altStatName: content }]],
      [listenerType, [{ name: "l", statPrefix: content }]],
    ]);
  const source = new FixedSource(world("1"));
  const { xds, channel } = await started(t, source, { clock });
  const stream = openDelta(channel, ads);
  stream.send({ node, typeUrl: clusterType.typeUrl });
  stream.send({ typeUrl: listenerType.typeUrl });
  for (const _type of ["clusters", "listeners"]) {
    const { typeUrl, nonce } = await stream.next();
    stream.send({ typeUrl, responseNonce: nonce });
  }
  await source.settled(clusterType, listenerType);
  source.set(world("2"));
  assert.equal((await stream.next()).typeUrl, clusterType.typeUrl);
  clock.advance(4999);
  assert.equal(xds.counters.released, 0);
  clock.advance(1);
  assert.equal((await stream.next()).typeUrl, listenerType.typeUrl);
  assert.equal(xds.counters.released, 1);
});

test("what has a time to live is confirmed in time, for as long as the client is there", async (t) => {
  const clock = new FakeClock();
  const source = new FixedSource();
  source.set(new Map([[clusterType, clusters("a")]]), { ttlMs: 3000 });
  const { channel } = await started(t, source, { clock });
  const stream = openDelta(channel, ads);
  const { typeUrl } = clusterType;
  stream.send({ node, typeUrl });
  const { nonce, resources } = await stream.next();
  assert.equal(resources[0]?.ttl?.seconds, 3n);
  stream.send({ typeUrl, responseNonce: nonce });
  await source.settled(clusterType);
  for (let beat = 0; beat < 3; beat++) {
    clock.advance(1000);
    const heartbeat = await stream.next();
    assert.deepEqual([names(heartbeat), heartbeat.resources[0]?.resource], [["a"], undefined]);
    const { length } = source.answers;
    stream.send({ typeUrl, responseNonce: heartbeat.nonce });
    await source.until(() => source.answers.length > length);
  }
  channel.close();
  await source.until(() => source.connections.size === 0);
  assert.equal(clock.waiting, 0);
});

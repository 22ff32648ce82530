/**
 * A proxy as a control plane sees it: delta ADS, clusters and listeners with a wildcard, endpoints and routes by name, everything
 * acknowledged. It reads names and versions only; what another client has read already is not read again.
 */
import { create, type DescMethodBiDiStreaming } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { type Empty, EmptySchema } from "@bufbuild/protobuf/wkt";
import { AggregatedDiscoveryService } from "#gen/envoy/service/discovery/v3/ads_pb.js";
import { DeltaDiscoveryRequestSchema } from "#gen/envoy/service/discovery/v3/discovery_pb.js";
import { GrpcChannel } from "#grpc/channel.ts";
import type { ClientCall } from "#grpc/client-call.ts";
import { systemClock } from "#lib/clock.ts";
import { systemRandom } from "#lib/random.ts";
import { ipAddress } from "#net/address.ts";
import { connect } from "#net/connect.ts";
import { clusterType, endpointType, listenerType, routeType } from "#xds/resource-type.ts";

/** The response stays unread but for its fields. */
const method = {
  ...AggregatedDiscoveryService.method.deltaAggregatedResources,
  output: EmptySchema,
} as unknown as DescMethodBiDiStreaming<typeof DeltaDiscoveryRequestSchema, typeof EmptySchema>;

export interface LightClientOptions {
  readonly id: string;
  readonly port: number;
  readonly shared: SharedResponses;
  onAck(client: LightClient, typeUrl: string): void;
  onEnd(detail: string): void;
}

type Versions = Record<string, string>;

/** As a proxy does when its control plane has ended the stream. */
const comeBackMs = 500;

export class LightClient {
  readonly #options: LightClientOptions;
  #channel: GrpcChannel | undefined;
  #call: ClientCall<typeof method> | undefined;
  /** By type; shared by clients that have the same. */
  #versions = new Map<string, Versions>();
  #endpointsAsked = false;
  #routesAsked = false;
  #stopping = false;
  bytes = 0;
  responses = 0;
  lastAckMs = 0;

  constructor(options: LightClientOptions) {
    this.#options = options;
  }

  /** The types that it has got. */
  get types(): number {
    return this.#versions.size;
  }

  start(): void {
    this.#stopping = false;
    const { id, port } = this.#options;
    this.#channel = new GrpcChannel({
      connect: (callbacks) => connect(ipAddress("127.0.0.1", port), {}, callbacks),
      authority: "pilot",
      clock: systemClock,
      random: systemRandom,
      messageBytesMax: 64 * 1024 * 1024,
    });
    const events = {
      onMessage: (message: Empty) => this.#onResponse(message),
      onEnd: (status: { readonly message: string }) => {
        if (this.#stopping) return;
        this.#options.onEnd(status.message);
        this.#channel?.close();
        systemClock.after(comeBackMs, () => this.start());
      },
    };
    this.#call = this.#channel.call(method, events, { waitForReady: true });
    const node = { id, cluster: "bench" };
    const [clusters, endpoints, listeners, routes] = [
      clusterType,
      endpointType,
      listenerType,
      routeType,
    ].map(({ typeUrl }) => ({
      typeUrl,
      initialResourceVersions: this.#versions.get(typeUrl) ?? {},
    }));
    this.#send({ node, ...clusters });
    this.#send({ ...listeners });
    // Back again: it asks for what it had.
    if (this.#endpointsAsked)
      this.#send({
        ...endpoints,
        resourceNamesSubscribe: Object.keys(endpoints?.initialResourceVersions ?? {}),
      });
    if (this.#routesAsked)
      this.#send({
        ...routes,
        resourceNamesSubscribe: Object.keys(routes?.initialResourceVersions ?? {}),
      });
  }

  stop(): void {
    this.#stopping = true;
    this.#channel?.close();
  }

  #send(fields: Parameters<typeof create<typeof DeltaDiscoveryRequestSchema>>[1]): void {
    this.#call?.send(create(DeltaDiscoveryRequestSchema, fields));
  }

  #onResponse(message: Empty): void {
    const { typeUrl, nonce, versions, removed, bytes } = this.#options.shared.read(message);
    this.bytes += bytes;
    this.responses++;
    const before = this.#versions.get(typeUrl);
    if (before === undefined) this.#versions.set(typeUrl, versions);
    else if (Object.keys(versions).length > 0 || removed.length > 0)
      this.#versions.set(typeUrl, this.#options.shared.merged(before, versions, removed));
    this.#subscribe(typeUrl, versions);
    this.#send({ typeUrl, responseNonce: nonce });
    this.lastAckMs = performance.timeOrigin + performance.now();
    this.#options.onAck(this, typeUrl);
  }

  #subscribe(typeUrl: string, versions: Versions): void {
    if (typeUrl === clusterType.typeUrl && !this.#endpointsAsked) {
      this.#endpointsAsked = true;
      const names = Object.keys(versions).filter((name) => name.startsWith("outbound|"));
      this.#send({ typeUrl: endpointType.typeUrl, resourceNamesSubscribe: names });
    } else if (typeUrl === listenerType.typeUrl && !this.#routesAsked) {
      this.#routesAsked = true;
      this.#send({ typeUrl: routeType.typeUrl, resourceNamesSubscribe: ["80"] });
    }
  }
}

interface ReadResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly versions: Versions;
  readonly removed: readonly string[];
  readonly bytes: number;
}

interface KnownResources {
  readonly fields: readonly Uint8Array[];
  readonly versions: Versions;
}

const knownMax = 64;

/** Reads each response once, however many clients get it. */
export class SharedResponses {
  readonly #known: KnownResources[] = [];
  readonly #merged = new WeakMap<Versions, WeakMap<Versions, Versions>>();

  read(message: Empty): ReadResponse {
    const fields = message.$unknown ?? [];
    let bytes = 0;
    let typeUrl = "";
    let nonce = "";
    const removed: string[] = [];
    const resources: Uint8Array[] = [];
    for (const { no, data } of fields) {
      bytes += data.length + 1;
      if (no === 2) resources.push(data);
      else if (no === 4) typeUrl = text(data);
      else if (no === 5) nonce = text(data);
      else if (no === 6) removed.push(text(data));
    }
    return { typeUrl, nonce, versions: this.#versionsOf(resources), removed, bytes };
  }

  #versionsOf(fields: readonly Uint8Array[]): Versions {
    const known = this.#known.find((one) => sameFields(one.fields, fields));
    if (known !== undefined) return known.versions;
    const versions: Versions = {};
    for (const field of fields) {
      const { name, version } = readResource(field);
      versions[name] = version;
    }
    if (this.#known.length >= knownMax) this.#known.shift();
    this.#known.push({ fields, versions });
    return versions;
  }

  merged(before: Versions, versions: Versions, removed: readonly string[]): Versions {
    const ofBefore = this.#merged.getOrInsertComputed(before, () => new WeakMap());
    return ofBefore.getOrInsertComputed(versions, () => {
      const merged = { ...before, ...versions };
      for (const name of removed) delete merged[name];
      return merged;
    });
  }
}

function sameFields(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return (
    a.length === b.length && a.every((one, index) => Buffer.compare(one, b[index] ?? one) === 0)
  );
}

const text = (data: Uint8Array): string => new BinaryReader(data).string();

/** Name and version of an envoy.service.discovery.v3.Resource, its length before it. */
function readResource(data: Uint8Array): { readonly name: string; readonly version: string } {
  const reader = new BinaryReader(new BinaryReader(data).bytes());
  let [name, version] = ["", ""];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 3) name = reader.string();
    else if (field === 1) version = reader.string();
    else reader.skip(wireType, field);
  }
  return { name, version };
}

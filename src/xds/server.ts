import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { AggregatedDiscoveryService } from "#gen/envoy/service/discovery/v3/ads_pb.js";
import type {
  DeltaDiscoveryRequest,
  DiscoveryRequest,
} from "#gen/envoy/service/discovery/v3/discovery_pb.js";
import type { GrpcServer, Implementation } from "#grpc/server.ts";
import type { MethodHandler, ServerCall } from "#grpc/server-call.ts";
import { GrpcCode, type GrpcStatus } from "#grpc/status.ts";
import type { Clock } from "#lib/clock.ts";
import { NamePool } from "./name-set.ts";
import type { ResourceType } from "./resource-type.ts";
import { type CallServices, DiscoveryCall, type XdsCounters } from "./server/discovery-call.ts";
import { fetchHandler } from "./server/fetch.ts";
import type { ResourceSource, XdsConnection } from "./source.ts";
import { typeServices } from "./type-services.ts";

export interface XdsServerOptions {
  readonly clock: Clock;
  readonly source: ResourceSource;
  /** How clients' logs and dumps name this server. */
  readonly controlPlane?: string;
  /** Names that a client may ask for, of one type; 100,000 by default. */
  readonly namesMax?: number;
  /**
   * Routes wait so long until the client has acknowledged the clusters that they may refer to (and so on); milliseconds, 5 s by default.
   */
  readonly breakAfterMs?: number;
}

type Call = ServerCall<DescMethod>;

/**
 * The xDS services (aggregated, and one for each type; state of the world, delta and Fetch) over a source of resources. Who has sockets
 * registers them at its gRPC server.
 */
export class XdsServer {
  readonly counters: XdsCounters = {
    streams: 0,
    requests: 0,
    staleNonces: 0,
    unknownTypes: 0,
    typesOverLimit: 0,
    namesOverLimit: 0,
    released: 0,
  };
  readonly #source: ResourceSource;
  readonly #pool = new NamePool();
  readonly #services: CallServices;
  readonly #calls: Set<DiscoveryCall> = new Set();
  #ids = 0;

  constructor(options: XdsServerOptions) {
    this.#source = options.source;
    this.#services = {
      clock: options.clock,
      source: options.source,
      pool: this.#pool,
      controlPlane: options.controlPlane ?? "heddle",
      counters: this.counters,
      namesMax: options.namesMax ?? 100_000,
      breakAfterMs: options.breakAfterMs ?? 5000,
      onOpen: (call) => this.#calls.add(call),
      onEnd: (call) => this.#calls.delete(call),
    };
  }

  get connections(): Iterable<XdsConnection> {
    return this.#calls;
  }

  register(server: GrpcServer): void {
    server.add(AggregatedDiscoveryService, {
      streamAggregatedResources: this.#sotw(undefined),
      deltaAggregatedResources: this.#delta(undefined),
    } as unknown as Implementation<typeof AggregatedDiscoveryService>);
    for (const { type, service } of typeServices) server.add(service, this.#ofType(service, type));
  }

  /** Ends every stream; clients come back to whoever serves them then. */
  close(
    status: GrpcStatus = { code: GrpcCode.unavailable, message: "the server is going away" },
  ): void {
    for (const call of [...this.#calls]) call.close(status);
  }

  #ofType(service: DescService, type: ResourceType): Implementation<DescService> {
    const handlers: Record<string, MethodHandler<DescMethod>> = {};
    for (const { localName } of service.methods) {
      if (localName.startsWith("stream")) handlers[localName] = this.#sotw(type);
      else if (localName.startsWith("delta")) handlers[localName] = this.#delta(type);
      else handlers[localName] = fetchHandler(this.#source, this.#pool, type);
    }
    // Proof: all of the services' methods have one of the three signatures, which their names tell.
    return handlers as unknown as Implementation<DescService>;
  }

  #open(call: Call, protocol: "sotw" | "delta", only: ResourceType | undefined): DiscoveryCall {
    return new DiscoveryCall(call, this.#services, { protocol, only, id: String(++this.#ids) });
  }

  #sotw(only: ResourceType | undefined): MethodHandler<DescMethod> {
    return (call) => {
      const stream = this.#open(call, "sotw", only);
      return {
        ...stream.events(),
        onMessage: (message) => {
          // Proof: the methods that this handler is registered for take nothing else.
          const request = message as DiscoveryRequest;
          stream.onSotw(request, request);
        },
      };
    };
  }

  #delta(only: ResourceType | undefined): MethodHandler<DescMethod> {
    return (call) => {
      const stream = this.#open(call, "delta", only);
      return {
        ...stream.events(),
        onMessage: (message) => {
          // Proof: the methods that this handler is registered for take nothing else.
          const request = message as DeltaDiscoveryRequest;
          stream.onDelta(request, request);
        },
      };
    };
  }
}

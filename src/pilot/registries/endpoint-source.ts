import type { Clock } from "#lib/clock.ts";
import type { Endpoint } from "#model/service.ts";

/** Where the endpoints of a ServiceEntry come from when neither it nor WorkloadEntries list them: `dns:api.internal`. */
export const endpointsFromAnnotation = "heddle.dev/endpoints-from";

/** What a source finds: an address, and the port there when the source knows it. */
export type FoundEndpoint = Pick<Endpoint, "address" | "labels" | "weight"> & {
  readonly port?: number | undefined;
};

export interface SourceSink {
  /** All that there are now. */
  found(endpoints: readonly FoundEndpoint[]): void;
  /** The source cannot say: what it found last still counts. Undefined: it can again. */
  problem(message: string | undefined): void;
}

export interface SourceServices {
  readonly clock: Clock;
  readonly lookup: Lookup;
}

/** Names of DNS. A name that does not exist has no records; all else that goes wrong rejects. */
export interface Lookup {
  addresses(name: string): Promise<readonly AddressRecord[]>;
  services(name: string): Promise<readonly ServiceRecord[]>;
}

export interface AddressRecord {
  readonly address: string;
  readonly ttlSeconds: number;
}

export interface ServiceRecord {
  readonly name: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** A kind of source: a new one is a copied folder and a line in the list. */
export interface EndpointSource {
  /** What the annotation begins with, without the colon. */
  readonly scheme: string;
  /** `rest`: what stands after the colon. Finds for ever, until what it returns is called. */
  start(rest: string, sink: SourceSink, services: SourceServices): () => void;
}

/**
 * The client's and the server's machines talk to each other while everything changes at random: what is wanted, what there is, what is refused,
 * and the stream itself. Whatever happened, the client ends up with what there is. The seed is in the name of a test that fails.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { NodeSchema } from "#gen/envoy/config/core/v3/base_pb.js";
import {
  DeltaDiscoveryResponseSchema,
  DiscoveryResponseSchema,
} from "#gen/envoy/service/discovery/v3/discovery_pb.js";
import { registry } from "#gen/registry.js";
import type { Random } from "#lib/random.ts";
import { DeltaProtocol } from "#xds/client/delta-protocol.ts";
import type { Incoming, Verdict } from "#xds/client/incoming.ts";
import { ResourceStore } from "#xds/client/resource-store.ts";
import { SotwProtocol } from "#xds/client/sotw-protocol.ts";
import { NamePool } from "#xds/name-set.ts";
import { ResourcePool } from "#xds/resource.ts";
import { emptySet, ResourceSet } from "#xds/resource-set.ts";
import {
  clusterType,
  endpointType,
  type ResourceType,
  resourceTypeOf,
} from "#xds/resource-type.ts";
import { DeltaSubscription } from "#xds/server/delta-subscription.ts";
import { DiscoveryStream, onDeltaRequest, onSotwRequest } from "#xds/server/discovery-stream.ts";
import { responseHead } from "#xds/server/response-body.ts";
import { SotwSubscription } from "#xds/server/sotw-subscription.ts";
import type { Response, Subscription as ServerSubscription } from "#xds/server/subscription.ts";
import type { Snapshot } from "#xds/source.ts";
import type { Subscription } from "#xds/subscriber.ts";
import { FakeClock } from "../../testkit/fake-clock.ts";
import { seededRandom } from "../../testkit/seeded-random.ts";
import { RecordingSubscriber } from "../../testkit/xds/recording-subscriber.ts";

/** What there is: of each name a number, another one after each change; a multiple of five is one that the client refuses. */
type World = Map<ResourceType, Map<string, number>>;

const names = ["a", "b", "c", "d", "e"];

function jsonOf(type: ResourceType, name: string, number: number): object {
  return type === clusterType
    ? { name, altStatName: String(number) }
    : { clusterName: name, policy: { overprovisioningFactor: number } };
}

function numberOf(json: object | undefined): number {
  const { altStatName, policy } = (json ?? {}) as {
    altStatName?: string;
    policy?: { overprovisioningFactor?: number };
  };
  return Number(altStatName ?? policy?.overprovisioningFactor ?? 0);
}

/** One protocol, from both its ends. */
interface Stream {
  /** What the client sends now, said to the server when it arrives. */
  next(): (() => void) | undefined;
  receive(response: Response): Incoming | undefined;
  settle(typeUrl: string, verdict: Verdict): void;
  readonly server: DiscoveryStream;
}

const nodeOptions = { node: create(NodeSchema, { id: "me" }), nodeOnFirstMessageOnly: true };
const decode = { registry, supported: undefined };

function typeOf(typeUrl: string): ResourceType {
  const type = resourceTypeOf(typeUrl);
  assert.ok(type);
  return type;
}

function bytesOf({ nonce, pieces }: Response, protocol: "sotw" | "delta"): Uint8Array {
  return Buffer.concat([responseHead({ protocol, nonce, controlPlane: "" }), ...pieces]);
}

function serverOf<S extends ServerSubscription>(
  make: (type: ResourceType, pool: NamePool) => S,
  send: (response: Response) => void,
): DiscoveryStream<S> {
  const pool = new NamePool();
  const output = {
    send: (response: Response) => {
      send(response);
      return true;
    },
    nowMs: () => 0,
  };
  return new DiscoveryStream((type) => make(type, pool), output, pool);
}

function sotw(store: ResourceStore, send: (response: Response) => void): Stream {
  const client = new SotwProtocol(() => store.states, nodeOptions, decode);
  const server = serverOf((type, pool) => new SotwSubscription(type, pool), send);
  return {
    server,
    next() {
      const request = client.next();
      return request && (() => onSotwRequest(server, typeOf(request.typeUrl), request));
    },
    receive: (response) =>
      client.receive(fromBinary(DiscoveryResponseSchema, bytesOf(response, "sotw"))),
    settle: (typeUrl, verdict) => client.settle(typeUrl, verdict),
  };
}

function delta(store: ResourceStore, send: (response: Response) => void): Stream {
  const client = new DeltaProtocol(() => store.states, nodeOptions, decode);
  const server = serverOf((type, pool) => new DeltaSubscription(type, pool), send);
  return {
    server,
    next() {
      const request = client.next();
      return request && (() => onDeltaRequest(server, typeOf(request.typeUrl), request));
    },
    receive: (response) =>
      client.receive(
        fromBinary(DeltaDiscoveryResponseSchema, bytesOf(response, "delta")) satisfies MessageShape<
          typeof DeltaDiscoveryResponseSchema
        >,
      ),
    settle: (typeUrl, verdict) => client.settle(typeUrl, verdict),
  };
}

class Simulation {
  readonly #random: Random;
  readonly #open: typeof sotw;
  readonly #world: World = new Map([
    [clusterType, new Map()],
    [endpointType, new Map()],
  ]);
  readonly #pool = new ResourcePool();
  readonly #store: ResourceStore;
  readonly #clusters = new RecordingSubscriber(clusterType);
  readonly #endpoints = new RecordingSubscriber(endpointType);
  readonly #eds: Subscription;
  readonly #wanted: Set<string> = new Set();
  #stream: Stream;
  /** On their way, in order. */
  #requests: (() => void)[] = [];
  #responses: Response[] = [];
  #number = 1;

  constructor(seed: number, open: typeof sotw) {
    this.#random = seededRandom(seed);
    this.#open = open;
    const clock = new FakeClock();
    this.#store = new ResourceStore({ clock, log: () => {}, onInterest: () => {} });
    for (const subscriber of [this.#clusters, this.#endpoints])
      subscriber.refuse = ({ set }) => {
        if (this.#random.below(4) === 0) this.#changeInterest();
        return set
          .filter(({ json }) => numberOf(json) % 5 === 0)
          .map(({ name }) => ({ name, path: "", message: "no" }));
      };
    this.#store.subscribe(this.#clusters, "all");
    this.#eds = this.#store.subscribe(this.#endpoints, []);
    this.#stream = this.#connect();
  }

  #connect(): Stream {
    this.#requests = [];
    const responses: Response[] = [];
    this.#responses = responses;
    const stream = this.#open(this.#store, (response) => responses.push(response));
    stream.server.push(this.#snapshot());
    return stream;
  }

  #snapshot(): Snapshot {
    const sets = new Map(
      [...this.#world].map(([type, all]) => {
        const resources = [...all].map(([name, number]) =>
          this.#pool.of(type, jsonOf(type, name, number)),
        );
        return [type, resources.length === 0 ? emptySet : new ResourceSet(resources)] as const;
      }),
    );
    return {
      resources: (type, wanted) => {
        const all = sets.get(type) ?? emptySet;
        return wanted === undefined ? all : all.pick(wanted);
      },
    };
  }

  async step(): Promise<void> {
    const what = this.#random.below(12);
    if (what < 2) this.#changeWorld();
    else if (what < 3) this.#changeInterest();
    else if (what < 4 && this.#random.below(8) === 0) this.#stream = this.#connect();
    else if (what < 6) this.#ask();
    else if (what < 9) this.#requests.shift()?.();
    else await this.#respond();
  }

  #changeWorld(): void {
    const type = this.#random.below(2) === 0 ? clusterType : endpointType;
    const all = this.#world.get(type);
    for (let changes = 1 + this.#random.below(3); changes > 0; changes--) {
      const name = names[this.#random.below(names.length)] ?? "";
      // Back to an earlier one as well: an undo.
      if (this.#random.below(4) === 0) all?.delete(name);
      else if (this.#random.below(3) === 0) all?.set(name, 1 + this.#random.below(this.#number));
      else all?.set(name, ++this.#number);
    }
    this.#stream.server.push(this.#snapshot());
  }

  #changeInterest(): void {
    const name = names[this.#random.below(names.length)] ?? "";
    // Whoever lets go of a name lets go of what he has of it.
    this.#endpoints.resources.delete(name);
    if (this.#wanted.delete(name)) this.#eds.remove([name]);
    else {
      this.#wanted.add(name);
      this.#eds.add([name]);
    }
  }

  #ask(): boolean {
    const request = this.#stream.next();
    if (request !== undefined) this.#requests.push(request);
    return request !== undefined;
  }

  async #respond(): Promise<boolean> {
    const stream = this.#stream;
    const response = this.#responses.shift();
    if (response === undefined) return false;
    const incoming = stream.receive(response);
    assert.ok(incoming);
    stream.settle(incoming.typeUrl, await this.#store.take(incoming));
    return true;
  }

  /** Everything is good now, and all that is under way arrives. */
  async settle(): Promise<void> {
    for (const all of this.#world.values())
      for (const name of names) {
        this.#number += this.#number % 5 === 4 ? 2 : 1;
        all.set(name, this.#number);
      }
    this.#world.get(clusterType)?.delete("e");
    for (const subscriber of [this.#clusters, this.#endpoints]) subscriber.refuse = () => [];
    this.#stream.server.push(this.#snapshot());
    for (let quiet = 0; quiet < 3; ) {
      let busy = this.#ask();
      for (let next = this.#requests.shift(); next; next = this.#requests.shift()) {
        next();
        busy = true;
      }
      if (await this.#respond()) busy = true;
      // The clock of make-before-break does not run here.
      if (!busy) this.#stream.server.release();
      quiet = busy ? 0 : quiet + 1;
    }
  }

  check(): void {
    const seen = (subscriber: RecordingSubscriber): object =>
      Object.fromEntries(
        subscriber.names.map((name) => [name, numberOf(subscriber.resources.get(name))]),
      );
    const there = (type: ResourceType, some: readonly string[]): object =>
      Object.fromEntries(some.map((name) => [name, this.#world.get(type)?.get(name)]));
    // An update may bring what is let go of while it is applied.
    for (const name of this.#endpoints.names)
      if (!this.#wanted.has(name)) this.#endpoints.resources.delete(name);
    assert.deepEqual(seen(this.#clusters), there(clusterType, ["a", "b", "c", "d"]));
    assert.deepEqual(seen(this.#endpoints), there(endpointType, [...this.#wanted].sort()));
    assert.ok(this.#stream.server.settled);
    for (const { resources } of this.#store.dump())
      for (const { name, status } of resources) assert.equal(status, "acked", name);
  }
}

for (const [name, open] of [
  ["state of the world", sotw],
  ["delta", delta],
] as const)
  test(`${name}: whatever changes, the client ends up with what there is`, async () => {
    for (let seed = 1; seed <= 100; seed++) {
      const simulation = new Simulation(seed, open);
      try {
        for (let step = 0; step < 200; step++) await simulation.step();
        await simulation.settle();
        simulation.check();
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  });

/** The two protocols' machines on one side, and on the other a test that says what the client says. */
import { NamePool } from "#xds/name-set.ts";
import type { ResourceType } from "#xds/resource-type.ts";
import { type DeltaRequest, DeltaSubscription } from "#xds/server/delta-subscription.ts";
import {
  DiscoveryStream,
  onDeltaRequest,
  onSotwRequest,
  type StreamOutput,
} from "#xds/server/discovery-stream.ts";
import { SotwSubscription } from "#xds/server/sotw-subscription.ts";
import type { RefusalReason, Response, Verdict } from "#xds/server/subscription.ts";
import { deltaLine, snapshotOf, sotwLine, type World } from "./stream-log.ts";

interface Sides {
  readonly sent: Response[];
  writable: boolean;
}

function outputOf(sides: Sides): StreamOutput {
  return {
    send: (response: Response) => {
      sides.sent.push(response);
      return sides.writable;
    },
    nowMs: () => 0,
  };
}

export const refusal: RefusalReason = { code: 3, message: "not so" };

export class SotwClient implements Sides {
  readonly sent: Response[] = [];
  writable = true;
  readonly pool: NamePool = new NamePool();
  wrapped = false;
  readonly stream: DiscoveryStream<SotwSubscription> = new DiscoveryStream(
    (type) => {
      const made = new SotwSubscription(type, this.pool);
      made.wrapped = this.wrapped;
      return made;
    },
    outputOf(this),
    this.pool,
  );

  push(world: World, ttlMs?: number): void {
    this.stream.push(snapshotOf(world, ttlMs));
  }

  ask(
    type: ResourceType,
    resourceNames: string[],
    responseNonce = "",
    errorDetail?: RefusalReason,
  ): Verdict {
    return onSotwRequest(this.stream, type, { resourceNames, responseNonce, errorDetail });
  }

  /** Answers everything that is on its way, with the names that go with it. */
  acknowledge(names: ReadonlyMap<ResourceType, string[]> = new Map()): void {
    for (const { type, nonce } of this.sent.slice(-9))
      if (this.stream.subscription(type)?.sent?.nonce === nonce)
        this.ask(
          type,
          names.get(type) ?? [...(this.stream.subscription(type)?.names ?? [])],
          nonce,
        );
  }

  lines(): string[] {
    return this.sent.splice(0).map(({ pieces }) => sotwLine(Buffer.concat(pieces)));
  }
}

interface DeltaWords {
  readonly add: string[];
  readonly drop: string[];
  readonly nonce: string;
  /** initial_resource_versions */
  readonly has: Record<string, string>;
  readonly refuse: RefusalReason;
}

export class DeltaClient implements Sides {
  readonly sent: Response[] = [];
  writable = true;
  readonly pool: NamePool = new NamePool();
  readonly stream: DiscoveryStream<DeltaSubscription> = new DiscoveryStream(
    (type) => new DeltaSubscription(type, this.pool),
    outputOf(this),
    this.pool,
  );

  push(world: World, ttlMs?: number): void {
    this.stream.push(snapshotOf(world, ttlMs));
  }

  ask(
    type: ResourceType,
    { add = [], drop = [], nonce = "", has = {}, refuse }: Partial<DeltaWords> = {},
  ): Verdict {
    const request: DeltaRequest = {
      resourceNamesSubscribe: add,
      resourceNamesUnsubscribe: drop,
      responseNonce: nonce,
      initialResourceVersions: has,
      errorDetail: refuse,
    };
    return onDeltaRequest(this.stream, type, request);
  }

  nonce(type: ResourceType): string {
    return this.stream.subscription(type)?.sent?.nonce ?? "";
  }

  /** ACK of the last response of the type. */
  ack(type: ResourceType): Verdict {
    return this.ask(type, { nonce: this.nonce(type) });
  }

  nack(type: ResourceType): Verdict {
    return this.ask(type, { nonce: this.nonce(type), refuse: refusal });
  }

  lines(): string[] {
    return this.sent.splice(0).map(({ pieces }) => deltaLine(Buffer.concat(pieces)));
  }
}

/** A client with everything acknowledged. */
export function completeClient(world: World): DeltaClient {
  const client = new DeltaClient();
  client.push(world);
  for (const [type, contents] of world) {
    client.ask(type, type.wildcard ? {} : { add: Object.keys(contents) });
    client.ack(type);
  }
  client.lines();
  return client;
}

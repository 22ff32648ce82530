import type { NamePool, NameSet } from "../name-set.ts";
import type { Resource } from "../resource.ts";
import type { Difference } from "../resource-set.ts";
import { clusterType, endpointType, type ResourceType, resourceTypes } from "../resource-type.ts";
import type { Snapshot } from "../source.ts";
import type { DeltaRequest, DeltaSubscription } from "./delta-subscription.ts";
import { orderOf } from "./push-order.ts";
import type { SotwRequest, SotwSubscription } from "./sotw-subscription.ts";
import type { Response, Subscription, Verdict } from "./subscription.ts";

export interface StreamOutput {
  /** False: take no more until `DiscoveryStream.onWritable`. */
  send(response: Response): boolean;
  nowMs(): number;
}

/** Types on one stream, known or not. */
const typesMax = 64;

const inOrder = new Map(resourceTypes.map((type, index) => [type, index]));

/**
 * The subscriptions of one stream and the order of what is sent on it. It sends what the client lacks of `snapshot`, whenever something
 * changes: a request, a new snapshot, room in the stream.
 */
export class DiscoveryStream<S extends Subscription = Subscription> {
  readonly #make: (type: ResourceType) => S;
  readonly #output: StreamOutput;
  readonly #byType = new Map<string, S>();
  /** In the order of pushes. */
  #subscriptions: readonly S[] = [];
  #snapshot: Snapshot | undefined;
  #nonces = 0;
  #writable = true;
  /** Make-before-break has waited long enough: this snapshot goes out as it is. */
  #released = false;
  #held = false;
  /** Clusters were sent before the client asked for endpoints: these have to be sent even if it has them. */
  #warming: NameSet | undefined;
  readonly #pool: NamePool;

  constructor(make: (type: ResourceType) => S, output: StreamOutput, pool: NamePool) {
    this.#make = make;
    this.#output = output;
    this.#pool = pool;
  }

  get subscriptions(): readonly S[] {
    return this.#subscriptions;
  }

  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  /** Something waits for the client to acknowledge something else. */
  get held(): boolean {
    return this.#held;
  }

  get settled(): boolean {
    return (
      this.#snapshot !== undefined &&
      this.#subscriptions.every((one) => one.settled || (one.made && this.#keptByRefusal(one)))
    );
  }

  /** Of the shortest-lived resource that the client holds; undefined: none dies by itself. */
  get ttlMs(): number | undefined {
    let shortest: number | undefined;
    for (const { ttlMs } of this.#subscriptions)
      if (ttlMs !== undefined && ttlMs < (shortest ?? Number.POSITIVE_INFINITY)) shortest = ttlMs;
    return shortest;
  }

  /** Undefined: the stream has more types than anybody needs. */
  subscription(type: ResourceType): S | undefined {
    const known = this.#byType.get(type.typeUrl);
    if (known !== undefined) return known;
    if (this.#byType.size >= typesMax) return undefined;
    const made = this.#make(type);
    this.#byType.set(type.typeUrl, made);
    const place = (one: Subscription) => inOrder.get(one.type) ?? resourceTypes.length;
    this.#subscriptions = [...this.#subscriptions, made].sort((a, b) => place(a) - place(b));
    return made;
  }

  /** Of endpoints: what has to be sent again because its cluster was sent. Asked for once. */
  takeWarming(type: ResourceType): NameSet | undefined {
    if (type !== endpointType) return undefined;
    const warming = this.#warming;
    this.#warming = undefined;
    return warming;
  }

  push(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#released = false;
    this.advance();
  }

  onWritable(): void {
    this.#writable = true;
    this.advance();
  }

  /** What is held goes now. */
  release(): void {
    this.#released = true;
    this.advance();
  }

  /** Sends what can be sent now. */
  advance(): void {
    const snapshot = this.#snapshot;
    if (snapshot === undefined) return;
    for (const subscription of this.#subscriptions) subscription.retarget(snapshot);
    this.#held = false;
    for (const subscription of this.#subscriptions) {
      if (!this.#writable) return;
      if (subscription.awaiting || subscription.settled) continue;
      this.#send(subscription);
    }
  }

  #send(subscription: S): void {
    const { after, removedAfter } = orderOf(subscription.type);
    const bound = !this.#released && !subscription.waitedFor;
    if (bound && !this.#every(after, ({ made }) => made)) {
      this.#held = true;
      return;
    }
    const kept = this.#keptByRefusal(subscription);
    const waits = !kept && !this.#released && !this.#every(removedAfter, ({ settled }) => settled);
    if (waits) this.#held = true;
    const keepRemoved = kept || waits;
    const response = subscription.compose({ ...this.#stamp(), keepRemoved });
    if (response !== undefined) this.#deliver(response);
  }

  /** The client goes on with what it had: what that may refer to stays with it. */
  #keptByRefusal({ type }: Subscription): boolean {
    return !this.#every(
      orderOf(type).removedAfter,
      (other) => other.refused === undefined && (other.settled || !this.#keptByRefusal(other)),
    );
  }

  #every(types: readonly ResourceType[], test: (subscription: S) => boolean): boolean {
    return types.every(({ typeUrl }) => {
      const subscription = this.#byType.get(typeUrl);
      return subscription === undefined || test(subscription);
    });
  }

  #stamp(): { readonly nonce: string; readonly atMs: number } {
    return { nonce: String(++this.#nonces), atMs: this.#output.nowMs() };
  }

  #deliver(response: Response): void {
    if (response.type === clusterType) this.#warm(response.difference);
    this.#writable = this.#output.send(response);
  }

  /** A client warms a changed cluster anew, and waits for endpoints that it has already. */
  #warm(difference: Difference): void {
    const names = endpointNames(difference, this.#pool);
    if (names.size === 0) return;
    const endpoints = this.#byType.get(endpointType.typeUrl);
    if (endpoints !== undefined) endpoints.forget(names);
    else
      this.#warming = this.#warming === undefined ? names : this.#pool.with(this.#warming, names);
  }

  /** Before the time to live of what the client holds is over. */
  heartbeat(): void {
    for (const subscription of this.#subscriptions) {
      if (!this.#writable) return;
      if (subscription.ttlMs === undefined) continue;
      const response = subscription.heartbeat(this.#stamp());
      if (response !== undefined) this.#deliver(response);
    }
  }
}

const namesOf = new WeakMap<Difference, NameSet>();

/** The assignments that the changed clusters need: by service name, or by their own. */
function endpointNames(difference: Difference, pool: NamePool): NameSet {
  if (difference.changedCount === 0) return pool.empty;
  const known = namesOf.get(difference);
  if (known !== undefined) return known;
  const own = difference.own.map(assignmentName).filter((name) => name !== undefined);
  const { base } = difference;
  const names =
    base === undefined ? pool.of(new Set(own)) : pool.with(endpointNames(base, pool), own);
  namesOf.set(difference, names);
  return names;
}

function assignmentName({ name, object }: Resource): string | undefined {
  if (Reflect.get(object, "type") !== "EDS") return undefined;
  const config: unknown = Reflect.get(object, "edsClusterConfig");
  if (typeof config !== "object" || config === null) return name;
  const serviceName: unknown = Reflect.get(config, "serviceName");
  return typeof serviceName === "string" && serviceName !== "" ? serviceName : name;
}

/** Feeds a SotW request to the subscription of its type. */
export function onSotwRequest(
  stream: DiscoveryStream<SotwSubscription>,
  type: ResourceType,
  request: SotwRequest,
): Verdict {
  const verdict = stream.subscription(type)?.onRequest(request) ?? "none";
  stream.advance();
  return verdict;
}

/** As `onSotwRequest`, of a delta stream. */
export function onDeltaRequest(
  stream: DiscoveryStream<DeltaSubscription>,
  type: ResourceType,
  request: DeltaRequest,
): Verdict {
  const warming = stream.takeWarming(type);
  const verdict = stream.subscription(type)?.onRequest(request, warming) ?? "none";
  stream.advance();
  return verdict;
}

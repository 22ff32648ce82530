import type { NamePool, NameSet } from "../name-set.ts";
import type { Resource } from "../resource.ts";
import { Difference, emptySet, noDifference, type ResourceSet } from "../resource-set.ts";
import type { ResourceType } from "../resource-type.ts";
import type { Refusal, SentVersion, Snapshot, SubscriptionStatus } from "../source.ts";

/** What is sent, but for what is of the one stream only (nonce, control plane). */
export interface ResponseBody {
  readonly version: string;
  /** Encoded fields of the response message; shared by all clients that get the same. */
  readonly pieces: readonly Uint8Array[];
  readonly resources: number;
  readonly removed: number;
}

export interface Response extends ResponseBody {
  readonly type: ResourceType;
  readonly nonce: string;
  /** Added or changed with it. */
  readonly difference: Difference;
}

export interface ComposeOptions {
  readonly nonce: string;
  readonly atMs: number;
  /** Something not yet acknowledged may refer to what is removed: it goes later. */
  readonly keepRemoved: boolean;
}

/** What a request says to a response. */
export type Verdict = "acknowledged" | "refused" | "stale" | "none";

export interface RefusalReason {
  readonly code: number;
  readonly message: string;
}

interface Outstanding {
  readonly sent: SentVersion;
  readonly target: ResourceSet;
  readonly difference: Difference;
}

/**
 * One type on one stream: what the client wants, what it has, what is on its way. At most one response waits for its answer; what changes
 * meanwhile goes with the next one. Nothing here knows of sockets or time.
 */
export abstract class Subscription implements SubscriptionStatus {
  readonly type: ResourceType;
  protected readonly pool: NamePool;
  wildcard = false;
  names: NameSet;
  sent: SentVersion | undefined;
  acked: SentVersion | undefined;
  refused: Refusal | undefined;
  held: ResourceSet = emptySet;
  protected target: ResourceSet = emptySet;
  /** A request waits for a response, also when it says nothing new. */
  protected asked = false;
  #outstanding: Outstanding | undefined;
  #refusedTarget: ResourceSet | undefined;
  /**
   * What a refused response has told: the client may have taken some of it (Envoy takes the good clusters and listeners of a bad answer), so it is
   * told again, also when it is what it was before.
   */
  readonly #doubtful: Set<string> = new Set();

  constructor(type: ResourceType, pool: NamePool) {
    this.type = type;
    this.pool = pool;
    this.names = pool.empty;
  }

  /** A response waits for its answer. */
  get awaiting(): boolean {
    return this.#outstanding !== undefined;
  }

  /** The client waits for a response: make-before-break must not hold it up. */
  get waitedFor(): boolean {
    return this.asked;
  }

  /** Nothing is on its way and nothing is left to send. */
  get settled(): boolean {
    return !this.awaiting && !this.asked && !this.#hasNews(this.#left());
  }

  /** As `settled`, but removals may be left. */
  get made(): boolean {
    if (this.awaiting || this.asked) return false;
    return this.#left().changedCount === 0 || this.#isRefused(this.target);
  }

  get ttlMs(): number | undefined {
    return this.held.ttlMs;
  }

  retarget(snapshot: Snapshot): void {
    const { type, names } = this;
    if (!this.wildcard) {
      this.target = names.size === 0 ? emptySet : snapshot.resources(type, names);
      return;
    }
    const all = snapshot.resources(type, undefined);
    this.target = names.size === 0 ? all : all.union(snapshot.resources(type, names));
  }

  /** The client has lost them, or has to see them once more. */
  forget(names: NameSet): void {
    this.held = this.held.without(names);
    for (const name of names) this.#doubtful.delete(name);
    if (this.#outstanding !== undefined) {
      const { target, ...rest } = this.#outstanding;
      this.#outstanding = { ...rest, target: target.without(names) };
    }
  }

  /** The response to send now, if any; it is outstanding then. */
  compose({ nonce, atMs, keepRemoved }: ComposeOptions): Response | undefined {
    if (this.awaiting) return undefined;
    const target = keepRemoved ? this.target.union(this.held) : this.target;
    const difference = this.#differenceTo(target, keepRemoved);
    if (!this.mustAnswer(target)) {
      if (!this.tells(difference)) {
        // What it does not have to be told, it has; what it asked about is answered by silence.
        if (!keepRemoved) this.held = target;
        this.asked = false;
        return undefined;
      }
      if (!this.asked && this.#isRefused(target)) return undefined;
    }
    const body = this.body(target, difference);
    this.sent = { version: body.version, nonce, atMs };
    this.#outstanding = { sent: this.sent, target, difference };
    this.asked = false;
    return { ...body, type: this.type, nonce, difference };
  }

  /** What is left to send. */
  #left(): Difference {
    return this.#differenceTo(this.target, false);
  }

  #differenceTo(target: ResourceSet, keepRemoved: boolean): Difference {
    const difference = this.held.difference(target);
    if (this.#doubtful.size === 0) return difference;
    const told = new Set([...difference.changed.map(({ name }) => name), ...difference.removed]);
    const again: Resource[] = [];
    const removed: string[] = [];
    for (const name of this.#doubtful) {
      const resource = target.get(name);
      if (told.has(name)) continue;
      if (resource !== undefined) again.push(resource);
      else if (!keepRemoved) removed.push(name);
    }
    return again.length + removed.length === 0
      ? difference
      : new Difference(again, removed, difference);
  }

  #hasNews(difference: Difference): boolean {
    return this.tells(difference) && !this.#isRefused(this.target);
  }

  /** The client has refused this very content: it is not sent again unasked. */
  #isRefused(target: ResourceSet): boolean {
    const refused = this.#refusedTarget;
    return refused !== undefined && !this.tells(refused.difference(target));
  }

  /** The client's answer to the response with this nonce. */
  protected answer(nonce: string, error: RefusalReason | undefined): Verdict {
    const outstanding = this.#outstanding;
    if (outstanding === undefined || outstanding.sent.nonce !== nonce)
      return nonce === "" || nonce === this.sent?.nonce ? "none" : "stale";
    this.#outstanding = undefined;
    const { sent, target, difference } = outstanding;
    if (error !== undefined) {
      for (const { name } of difference.changed) this.#doubtful.add(name);
      for (const name of difference.removed) this.#doubtful.add(name);
      this.refused = { ...sent, code: error.code, detail: error.message };
      this.#refusedTarget = target;
      return "refused";
    }
    this.held = target;
    this.acked = sent;
    this.refused = undefined;
    this.#refusedTarget = undefined;
    // A heartbeat tells nothing of it.
    if (difference !== noDifference) this.#doubtful.clear();
    return "acknowledged";
  }

  /** As if the client had just come. */
  protected restart(): void {
    this.#outstanding = undefined;
    this.#refusedTarget = undefined;
    this.#doubtful.clear();
    this.held = emptySet;
  }

  /** A response is due even if it says nothing new. */
  protected abstract mustAnswer(target: ResourceSet): boolean;
  /** Whether there is something in the difference that the protocol can say. */
  protected abstract tells(difference: Difference): boolean;
  protected abstract body(target: ResourceSet, difference: Difference): ResponseBody;
  /** Its resources' times to live begin anew; undefined: none has one, or a response is outstanding. */
  abstract heartbeat(options: Pick<ComposeOptions, "nonce" | "atMs">): Response | undefined;

  /** A heartbeat is a response as any other: it is answered. */
  protected beat(
    body: ResponseBody,
    { nonce, atMs }: Pick<ComposeOptions, "nonce" | "atMs">,
  ): Response {
    this.sent = { version: body.version, nonce, atMs };
    const difference = noDifference;
    this.#outstanding = { sent: this.sent, target: this.held, difference };
    return { ...body, type: this.type, nonce, difference };
  }
}

import type { DeltaDiscoveryRequest } from "#gen/envoy/service/discovery/v3/discovery_pb.js";
import type { NameSet } from "../name-set.ts";
import { heldResource, type Resource } from "../resource.ts";
import { type Difference, emptySet, ResourceSet } from "../resource-set.ts";
import type { Snapshot } from "../source.ts";
import { deltaBody, deltaHeartbeat } from "./response-body.ts";
import {
  type ComposeOptions,
  type RefusalReason,
  type Response,
  type ResponseBody,
  Subscription,
  type Verdict,
} from "./subscription.ts";

export type DeltaRequest = Pick<
  DeltaDiscoveryRequest,
  | "initialResourceVersions"
  | "resourceNamesSubscribe"
  | "resourceNamesUnsubscribe"
  | "responseNonce"
> & { readonly errorDetail?: RefusalReason | undefined };

interface Brought {
  readonly versions: Readonly<Record<string, string>>;
  /** Has to be sent all the same. */
  readonly changing: NameSet | undefined;
}

/** Incremental: requests and responses carry what changes. */
export class DeltaSubscription extends Subscription {
  #begun = false;
  /** With its first request; until there is something to compare it with. */
  #brought: Brought | undefined;
  /** Names to be answered: if the resource does not exist, that is said. */
  #inquired: Set<string> = new Set();
  /** A wildcard subscription has just begun: the client waits for an answer, be it empty. */
  #opening = false;

  /** `changing`: names whose resources the client has to see even if it has their versions. */
  onRequest(request: DeltaRequest, changing?: NameSet): Verdict {
    const verdict = this.answer(request.responseNonce, request.errorDetail);
    const first = !this.#begun;
    this.#begun = true;
    if (first) this.#brought = { versions: request.initialResourceVersions, changing };
    this.#subscribe(request.resourceNamesSubscribe, first);
    this.#unsubscribe(request.resourceNamesUnsubscribe);
    // A nonce of an earlier stream is no answer to anything here.
    return first ? "none" : verdict;
  }

  override retarget(snapshot: Snapshot): void {
    super.retarget(snapshot);
    const brought = this.#brought;
    if (brought === undefined) return;
    this.#brought = undefined;
    this.held = this.#heldOf(brought);
  }

  /** Mostly the client comes back with what it would get: then it has that very set, which many share. */
  #heldOf({ versions, changing }: Brought): ResourceSet {
    const { target } = this;
    const held: Resource[] = [];
    let same = true;
    for (const [name, version] of Object.entries(versions)) {
      if (changing?.has(name) === true) continue;
      const resource = target.get(name);
      if (resource?.version === version) held.push(resource);
      else {
        same = false;
        held.push(heldResource(this.type, name, version));
      }
    }
    if (same && held.length === target.size) return target;
    return held.length === 0 ? emptySet : new ResourceSet(held);
  }

  #subscribe(subscribed: readonly string[], first: boolean): void {
    const names = new Set(subscribed);
    const everything =
      names.delete("*") || (first && subscribed.length === 0 && this.type.wildcard);
    if (everything) {
      // Asked for once more: sent once more.
      if (this.wildcard) this.restart();
      this.wildcard = true;
      this.#opening = true;
      this.asked = true;
    }
    if (names.size === 0) return;
    const again = [...names].filter((name) => this.names.has(name));
    if (again.length > 0) this.forget(this.pool.of(new Set(again)));
    this.names = this.pool.with(this.names, names);
    for (const name of names) this.#inquired.add(name);
    this.asked = true;
  }

  #unsubscribe(unsubscribed: readonly string[]): void {
    if (unsubscribed.length === 0) return;
    const names = new Set(unsubscribed);
    if (names.delete("*")) this.#leaveWildcard();
    const left = this.pool.of(new Set([...names].filter((name) => this.names.has(name))));
    this.names = this.pool.without(this.names, left);
    for (const name of left) this.#inquired.delete(name);
    this.forget(left);
    // Under a wildcard the client cannot know whether it still gets it: it is told.
    if (!this.wildcard || left.size === 0) return;
    for (const name of left) this.#inquired.add(name);
    this.asked = true;
  }

  /** The client drops by itself what it has not asked for by name. */
  #leaveWildcard(): void {
    if (!this.wildcard) return;
    this.wildcard = false;
    this.#opening = false;
    const dropped = new Set([...this.held.names()].filter((name) => !this.names.has(name)));
    this.forget(this.pool.of(dropped));
  }

  protected override mustAnswer(target: ResourceSet): boolean {
    if (!this.asked) return false;
    return this.#opening || this.#absent(target).length > 0;
  }

  #absent(target: ResourceSet): readonly string[] {
    if (this.#inquired.size === 0) return [];
    return [...this.#inquired].filter((name) => !target.has(name));
  }

  protected override tells(difference: Difference): boolean {
    return !difference.isNothing;
  }

  protected override body(target: ResourceSet, difference: Difference): ResponseBody {
    const missing = this.#absent(target);
    const { removed } = difference;
    const absent =
      removed.length === 0 ? missing : missing.filter((name) => !removed.includes(name));
    this.#inquired = new Set();
    this.#opening = false;
    return deltaBody({ type: this.type, target, difference, absent });
  }

  override heartbeat(options: Pick<ComposeOptions, "nonce" | "atMs">): Response | undefined {
    if (this.awaiting || this.held.ttlMs === undefined) return undefined;
    return this.beat(deltaHeartbeat(this.type, this.held), options);
  }
}

import type { DiscoveryRequest } from "#gen/envoy/service/discovery/v3/discovery_pb.js";
import type { Difference, ResourceSet } from "../resource-set.ts";
import { sotwBody, sotwHeartbeat } from "./response-body.ts";
import {
  type ComposeOptions,
  type RefusalReason,
  type Response,
  type ResponseBody,
  Subscription,
  type Verdict,
} from "./subscription.ts";

export type SotwRequest = Pick<DiscoveryRequest, "resourceNames" | "responseNonce"> & {
  readonly errorDetail?: RefusalReason | undefined;
};

/** State of the world: every request carries all names. */
export class SotwSubscription extends Subscription {
  /** The client knows the wrapper that carries a time to live. */
  wrapped = false;
  #begun = false;
  /** Names were said once: an empty list means "nothing" from then on, and no longer "everything". */
  #named = false;

  onRequest({ resourceNames, responseNonce, errorDetail }: SotwRequest): Verdict {
    // An empty nonce, or one of a stream before this one: the client begins.
    const begins = !this.#begun || responseNonce === "" || this.sent === undefined;
    const verdict = begins ? "none" : this.answer(responseNonce, errorDetail);
    if (verdict === "stale") return verdict;
    if (begins) {
      this.restart();
      this.asked = true;
    }
    this.#begun = true;
    this.#subscribe(resourceNames);
    return verdict;
  }

  #subscribe(resourceNames: readonly string[]): void {
    const names = new Set(resourceNames);
    const legacy = names.size === 0 && !this.#named && this.type.wildcard;
    this.#named ||= names.size > 0;
    const wildcard = names.delete("*") || legacy;
    const before = { names: this.names, wildcard: this.wildcard };
    this.names = this.pool.of(names);
    this.wildcard = wildcard;
    if (this.names === before.names && wildcard === before.wildcard) return;
    const left = this.pool.without(before.names, names);
    if (!wildcard) this.forget(left);
    const more =
      this.pool.without(this.names, before.names).size > 0 || (wildcard && !before.wildcard);
    // A complete type is told whole, what is not wanted any more left out.
    if (more || this.type.complete) this.asked = true;
  }

  protected override mustAnswer(): boolean {
    return this.asked && this.type.complete && (this.wildcard || this.names.size > 0);
  }

  /** Only complete types can say that something is gone: by leaving it out. */
  protected override tells({ changedCount, removedCount }: Difference): boolean {
    return changedCount > 0 || (this.type.complete && removedCount > 0);
  }

  protected override body(target: ResourceSet, difference: Difference): ResponseBody {
    const { type, wrapped } = this;
    return sotwBody({ type, target, difference, wrapped });
  }

  override heartbeat(options: Pick<ComposeOptions, "nonce" | "atMs">): Response | undefined {
    if (this.awaiting || !this.wrapped || this.held.ttlMs === undefined) return undefined;
    return this.beat(sotwHeartbeat(this.type, this.held), options);
  }
}

import type { RequestHead } from "#http/message.ts";
import { type Enforcer, enforce, type RbacStats } from "../../../rbac/enforcer.ts";
import { deniedDetails } from "../../../rbac/engine.ts";
import type { HttpFilter, HttpStream, Verdict } from "../filter.ts";

const namespace = "envoy.filters.http.rbac";

/** Access by rules on the request and its connection. */
export class RbacFilter implements HttpFilter {
  readonly #enforcer: Enforcer;
  readonly #stats: RbacStats;
  readonly #name: string;

  constructor(enforcer: Enforcer, stats: RbacStats, name: string) {
    this.#enforcer = enforcer;
    this.#stats = stats;
    this.#name = name;
  }

  onRequestHead(stream: HttpStream, head: RequestHead): Verdict {
    const denied = enforce(this.#enforcerOf(stream), this.#stats, stream.info, head, namespace);
    if (denied === undefined) return "continue";
    stream.reply({
      status: 403,
      body: "RBAC: access denied",
      details: deniedDetails(denied),
    });
    return "park";
  }

  #enforcerOf(stream: HttpStream): Enforcer {
    if (stream.route?.hasFilterConfigs !== true) return this.#enforcer;
    return stream.routeConfig<Enforcer>(this.#name) ?? this.#enforcer;
  }
}

import type { RequestHead, ResponseHead } from "#http/message.ts";
import { olderCorsName } from "../../../route/filter-configs.ts";
import type { Counter } from "../../../stats/stats.ts";
import type { HttpFilter, HttpStream, Verdict } from "../filter.ts";
import type { CorsPolicy, PolicyStacks } from "./policy.ts";

export interface CorsShared {
  readonly filterName: string;
  readonly stacks: PolicyStacks;
  readonly originValid: Counter;
  readonly originInvalid: Counter;
}

/** Cross-origin requests: preflights are answered here, and answers to allowed origins say so (Fetch, "CORS protocol"). */
export class CorsFilter implements HttpFilter {
  readonly #shared: CorsShared;
  #policy: CorsPolicy | undefined;
  /** Set when the policy allows it. */
  #origin = "";

  constructor(shared: CorsShared) {
    this.#shared = shared;
  }

  onRequestHead(stream: HttpStream, head: RequestHead): Verdict {
    const origin = head.headers.get("origin");
    if (origin === undefined || origin === "") return "continue";
    const policy = this.#policyOf(stream);
    if (policy === undefined || !(policy.enabled() || policy.shadowEnabled())) return "continue";
    const allowed = policy.allowsOrigin?.(origin) ?? false;
    if (allowed) this.#shared.originValid.inc();
    else this.#shared.originInvalid.inc();
    if (policy.shadowEnabled() && !policy.enabled()) return "continue";
    if (allowed) {
      this.#policy = policy;
      this.#origin = origin;
    }
    if (!isPreflight(head)) return "continue";
    if (!allowed && (policy.forwardNotMatchingPreflights ?? true)) return "continue";
    stream.reply({
      status: 200,
      details: "cors_response",
      headers: preflightFields(policy, head, this.#origin),
      unmapped: true,
    });
    return "park";
  }

  #policyOf(stream: HttpStream): CorsPolicy | undefined {
    if (stream.route?.kind !== "forward") return undefined;
    let levels = stream.routeConfigs<CorsPolicy>(this.#shared.filterName);
    if (levels.length === 0) levels = stream.routeConfigs<CorsPolicy>(olderCorsName);
    return this.#shared.stacks.merge(levels);
  }

  onResponseHead(_stream: HttpStream, { headers }: ResponseHead): Verdict {
    const policy = this.#policy;
    if (policy === undefined) return "continue";
    headers.set("access-control-allow-origin", this.#origin);
    if (policy.allowCredentials === true) headers.set("access-control-allow-credentials", "true");
    if (policy.exposeHeaders !== undefined)
      headers.set("access-control-expose-headers", policy.exposeHeaders);
    return "continue";
  }
}

function isPreflight({ method, headers }: RequestHead): boolean {
  return method === "OPTIONS" && (headers.get("access-control-request-method") ?? "") !== "";
}

function preflightFields(
  policy: CorsPolicy,
  { headers }: RequestHead,
  origin: string,
): readonly (readonly [string, string])[] {
  const fields: (readonly [string, string])[] = [];
  if (origin !== "") fields.push(["access-control-allow-origin", origin]);
  if (policy.allowCredentials === true) fields.push(["access-control-allow-credentials", "true"]);
  const { allowMethods, allowHeaders, maxAge } = policy;
  // As in Envoy, an asterisk allows what is asked for.
  const asked = (configured: string, name: string): string =>
    configured === "*" ? (headers.get(name) ?? "") : configured;
  if (allowMethods !== undefined)
    fields.push([
      "access-control-allow-methods",
      asked(allowMethods, "access-control-request-method"),
    ]);
  if (allowHeaders !== undefined)
    fields.push([
      "access-control-allow-headers",
      asked(allowHeaders, "access-control-request-headers"),
    ]);
  if (maxAge !== undefined) fields.push(["access-control-max-age", maxAge]);
  if (
    policy.allowPrivateNetworkAccess === true &&
    headers.get("access-control-request-private-network") === "true"
  )
    fields.push(["access-control-allow-private-network", "true"]);
  return fields;
}

import type { RequestHead } from "#http/message.ts";
import type { StringPredicate } from "../../../matching/string-matcher.ts";
import type { Counter } from "../../../stats/stats.ts";
import type { HttpFilter, HttpStream, Verdict } from "../filter.ts";
import { hostAndPort } from "./host-and-port.ts";

export interface CsrfPolicy {
  /** Each asks the runtime and draws anew. */
  readonly enabled: () => boolean;
  readonly shadowEnabled: () => boolean;
  /** Origins besides the request's own host. */
  readonly allows: StringPredicate;
}

export interface CsrfShared {
  readonly filterName: string;
  readonly policy: CsrfPolicy;
  readonly requestValid: Counter;
  readonly requestInvalid: Counter;
  readonly missingSourceOrigin: Counter;
}

/** Refuses requests that change something and come from another origin than the one they go to. */
export class CsrfFilter implements HttpFilter {
  readonly #shared: CsrfShared;

  constructor(shared: CsrfShared) {
    this.#shared = shared;
  }

  onRequestHead(stream: HttpStream, head: RequestHead): Verdict {
    if (!isModifying(head.method)) return "continue";
    const policy = this.#policyOf(stream);
    if (!(policy.enabled() || policy.shadowEnabled())) return "continue";
    if (this.#isValid(policy, head)) {
      this.#shared.requestValid.inc();
      return "continue";
    }
    if (policy.shadowEnabled() && !policy.enabled()) return "continue";
    stream.reply({ status: 403, body: "Invalid origin", details: "csrf_origin_mismatch" });
    return "park";
  }

  #policyOf(stream: HttpStream): CsrfPolicy {
    const { filterName, policy } = this.#shared;
    if (stream.route?.hasFilterConfigs !== true) return policy;
    return stream.routeConfig<CsrfPolicy>(filterName) ?? policy;
  }

  #isValid(policy: CsrfPolicy, head: RequestHead): boolean {
    const source = sourceOrigin(head);
    if (source === "") {
      this.#shared.missingSourceOrigin.inc();
      return false;
    }
    if (source === head.authority || policy.allows(source)) return true;
    this.#shared.requestInvalid.inc();
    return false;
  }
}

function isModifying(method: string): boolean {
  return method === "POST" || method === "PUT" || method === "DELETE" || method === "PATCH";
}

/** "": none is given. A browser that hides the origin says "null" (Fetch §3.2): the referer is not asked then. */
function sourceOrigin({ headers }: RequestHead): string {
  const origin = headers.get("origin") ?? "";
  if (origin !== "") return origin === "null" ? "" : hostAndPort(origin);
  return hostAndPort(headers.get("referer") ?? "");
}

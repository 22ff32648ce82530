import type { RequestHead } from "#http/message.ts";
import type { Engine } from "../../../rbac/engine.ts";
import type { Counter, StatsScope } from "../../../stats/stats.ts";
import type { HttpFilter, HttpStream, Verdict } from "../filter.ts";

export interface RbacSettings {
  readonly rules: Engine | undefined;
  /** Evaluated, counted and reported, never enforced. */
  readonly shadowRules: Engine | undefined;
  readonly shadowPrefix: string;
}

/** `http.<prefix>.rbac.[<stat prefix>]allowed|denied|shadow_…`, and by policy when asked for. */
export class RbacStats {
  readonly allowed: Counter;
  readonly denied: Counter;
  readonly shadowAllowed: Counter;
  readonly shadowDenied: Counter;
  readonly #scope: StatsScope;
  readonly #perRule: boolean;
  readonly #rulesPrefix: string;
  readonly #shadowPrefix: string;

  constructor(
    scope: StatsScope,
    options: {
      readonly rulesPrefix: string;
      readonly shadowPrefix: string;
      readonly perRule: boolean;
    },
  ) {
    this.#scope = scope;
    this.#perRule = options.perRule;
    this.#rulesPrefix = `rbac.${options.rulesPrefix}`;
    this.#shadowPrefix = `rbac.${options.shadowPrefix}`;
    this.allowed = scope.counter(`${this.#rulesPrefix}allowed`);
    this.denied = scope.counter(`${this.#rulesPrefix}denied`);
    this.shadowAllowed = scope.counter(`${this.#shadowPrefix}shadow_allowed`);
    this.shadowDenied = scope.counter(`${this.#shadowPrefix}shadow_denied`);
  }

  countPolicy(
    policy: string | undefined,
    outcome: "allowed" | "denied" | "shadow_allowed" | "shadow_denied",
  ): void {
    if (!this.#perRule || policy === undefined) return;
    const prefix = outcome.startsWith("shadow") ? this.#shadowPrefix : this.#rulesPrefix;
    this.#scope.counter(`${prefix}policy.${policy}.${outcome}`).inc();
  }
}

/** Access by rules on the request and its connection. */
export class RbacFilter implements HttpFilter {
  readonly #settings: RbacSettings;
  readonly #stats: RbacStats;
  readonly #name: string;

  constructor(settings: RbacSettings, stats: RbacStats, name: string) {
    this.#settings = settings;
    this.#stats = stats;
    this.#name = name;
  }

  onRequestHead(stream: HttpStream, head: RequestHead): Verdict {
    const { route } = stream;
    const settings =
      (route?.hasFilterConfigs === true
        ? stream.routeConfig<RbacSettings>(this.#name)
        : undefined) ?? this.#settings;
    if (settings.shadowRules !== undefined)
      this.#shadow(stream, head, settings, settings.shadowRules);
    const { rules } = settings;
    if (rules === undefined) return "continue";
    const { allowed, policy } = rules.evaluate({ head, info: stream.info });
    if (rules.action === "LOG") {
      stream.setDynamicMetadata("envoy.common", { access_log_hint: policy !== undefined });
      return "continue";
    }
    this.#stats.countPolicy(policy, allowed ? "allowed" : "denied");
    if (allowed) {
      this.#stats.allowed.inc();
      return "continue";
    }
    this.#stats.denied.inc();
    // Details stand in a log between spaces.
    const name = (policy ?? "none").replaceAll(/\s/g, "_");
    stream.reply({
      status: 403,
      body: "RBAC: access denied",
      details: `rbac_access_denied_matched_policy[${name}]`,
    });
    return "park";
  }

  #shadow(stream: HttpStream, head: RequestHead, settings: RbacSettings, rules: Engine): void {
    const { allowed, policy } = rules.evaluate({ head, info: stream.info });
    if (allowed) this.#stats.shadowAllowed.inc();
    else this.#stats.shadowDenied.inc();
    this.#stats.countPolicy(policy, allowed ? "shadow_allowed" : "shadow_denied");
    const prefix = settings.shadowPrefix;
    stream.setDynamicMetadata("envoy.filters.http.rbac", {
      ...(policy === undefined ? {} : { [`${prefix}shadow_effective_policy_id`]: policy }),
      [`${prefix}shadow_engine_result`]: allowed ? "allowed" : "denied",
    });
  }
}

import type { RuntimeFractionalPercentJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { CorsPolicyJson } from "#gen/envoy/extensions/filters/http/cors/v3/cors_pb.js";
import { compileEach } from "#lib/config-error.ts";
import { byteText } from "../../../matching/byte-text.ts";
import { compileStringMatcher, type StringPredicate } from "../../../matching/string-matcher.ts";
import { compileRuntimeFraction } from "../../../runtime-fraction.ts";
import type { Services } from "../../../services.ts";

/** One level's policy, or all levels in one. Undefined: this level says nothing of it. */
export interface CorsPolicy {
  readonly allowsOrigin: StringPredicate | undefined;
  readonly allowMethods: string | undefined;
  readonly allowHeaders: string | undefined;
  readonly exposeHeaders: string | undefined;
  readonly maxAge: string | undefined;
  readonly allowCredentials: boolean | undefined;
  readonly allowPrivateNetworkAccess: boolean | undefined;
  readonly forwardNotMatchingPreflights: boolean | undefined;
  /** Each asks the runtime and draws anew. */
  readonly enabled: () => boolean;
  readonly shadowEnabled: () => boolean;
}

export function compilePolicy(config: CorsPolicyJson, services: Services): CorsPolicy {
  return {
    allowsOrigin: compileOrigins(config),
    allowMethods: textOf(config.allowMethods),
    allowHeaders: textOf(config.allowHeaders),
    exposeHeaders: textOf(config.exposeHeaders),
    maxAge: textOf(config.maxAge),
    allowCredentials: config.allowCredentials,
    allowPrivateNetworkAccess: config.allowPrivateNetworkAccess,
    forwardNotMatchingPreflights: config.forwardNotMatchingPreflights,
    enabled: compileSwitch(config.filterEnabled, services, true),
    shadowEnabled: compileSwitch(config.shadowEnabled, services, false),
  };
}

function compileOrigins({ allowOriginStringMatch }: CorsPolicyJson): StringPredicate | undefined {
  const matchers = compileEach(
    "allow_origin_string_match",
    allowOriginStringMatch,
    compileStringMatcher,
  );
  if (matchers.length === 0) return undefined;
  // As in Envoy: what an asterisk matches allows every origin.
  if (matchers.some((matches) => matches("*"))) return () => true;
  return (origin) => matchers.some((matches) => matches(origin));
}

function textOf(configured: string | undefined): string | undefined {
  return configured === undefined || configured === "" ? undefined : byteText(configured);
}

function compileSwitch(
  config: RuntimeFractionalPercentJson | undefined,
  { runtime, random }: Services,
  absent: boolean,
): () => boolean {
  if (config === undefined) return () => absent;
  const falls = compileRuntimeFraction(config, runtime);
  return () => falls(random.unit());
}

/** The levels of a route as one policy: made when a route is first asked for it. */
export class PolicyStacks {
  readonly #merged = new WeakMap<readonly CorsPolicy[], CorsPolicy>();

  /** `levels` least specific first; undefined when there are none. */
  merge(levels: readonly CorsPolicy[]): CorsPolicy | undefined {
    if (levels.length < 2) return levels[0];
    let merged = this.#merged.get(levels);
    if (merged === undefined) {
      merged = mergeLevels(levels);
      this.#merged.set(levels, merged);
    }
    return merged;
  }
}

/** Field by field the most specific that speaks; whether the filter is on at all, the most specific says alone. */
export function mergeLevels(levels: readonly CorsPolicy[]): CorsPolicy {
  return levels.reduceRight((specific, level) => ({
    allowsOrigin: specific.allowsOrigin ?? level.allowsOrigin,
    allowMethods: specific.allowMethods ?? level.allowMethods,
    allowHeaders: specific.allowHeaders ?? level.allowHeaders,
    exposeHeaders: specific.exposeHeaders ?? level.exposeHeaders,
    maxAge: specific.maxAge ?? level.maxAge,
    allowCredentials: specific.allowCredentials ?? level.allowCredentials,
    allowPrivateNetworkAccess:
      specific.allowPrivateNetworkAccess ?? level.allowPrivateNetworkAccess,
    forwardNotMatchingPreflights:
      specific.forwardNotMatchingPreflights ?? level.forwardNotMatchingPreflights,
    enabled: specific.enabled,
    shadowEnabled: specific.shadowEnabled,
  }));
}

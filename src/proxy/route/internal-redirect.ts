import type { RouteActionJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import { refuse } from "#lib/config-error.ts";
import type { InternalRedirect } from "./route.ts";

type Check = (input: Parameters<InternalRedirect["allows"]>[0]) => boolean;

const prefix = "envoy.extensions.internal_redirect.";

/** `internal_redirect_policy`; undefined: redirects go to the client. */
export function compileInternalRedirect(action: RouteActionJson): InternalRedirect | undefined {
  const policy = action.internalRedirectPolicy;
  if (policy === undefined) return undefined;
  const checks = (policy.predicates ?? []).map((predicate, index) =>
    compilePredicate(predicate.typedConfig, index),
  );
  const codes = (policy.redirectResponseCodes ?? []).filter((code) =>
    [301, 302, 303, 307, 308].includes(code),
  );
  return {
    maxRedirects: policy.maxInternalRedirects ?? 1,
    codes: new Set(codes.length === 0 ? [302] : codes),
    allowCrossScheme: policy.allowCrossSchemeRedirect === true,
    responseHeadersToCopy: (policy.responseHeadersToCopy ?? []).map((name) => name.toLowerCase()),
    allows: (input) => checks.every((check) => check(input)),
  };
}

function compilePredicate(config: unknown, index: number): Check {
  const typed = config as { "@type"?: string; allowedRouteNames?: readonly string[] } | undefined;
  const type = typed?.["@type"]?.split("/").pop() ?? "";
  switch (type) {
    case `${prefix}previous_routes.v3.PreviousRoutesConfig`:
      return ({ taken }) => !taken;
    case `${prefix}allow_listed_routes.v3.AllowListedRoutesConfig`: {
      const names = new Set(typed?.allowedRouteNames ?? []);
      return ({ targetName }) => names.has(targetName);
    }
    case `${prefix}safe_cross_scheme.v3.SafeCrossSchemeConfig`:
      return ({ downstreamSecure, targetSecure }) => downstreamSecure || !targetSecure;
    default:
      throw refuse(`internal_redirect_policy.predicates[${index}]`, `${type} is not supported`);
  }
}

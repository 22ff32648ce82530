import type { RouteAction_RequestMirrorPolicyJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { RequestHead } from "#http/message.ts";
import { compileEach, refuse } from "#lib/config-error.ts";
import { compileFieldMutations, type FieldMutation } from "../field-mutations.ts";
import { compileRuntimeFraction, type Fraction } from "../runtime-fraction.ts";
import type { Services } from "../services.ts";
import type { StreamInfo } from "../stream-info.ts";

/** One of `request_mirror_policies`: who else gets a copy of a request, and how much of all. */
export interface MirrorPolicy {
  /** "": nobody, for this request. */
  clusterOf(head: RequestHead): string;
  /** Drawn anew on each call. */
  chosen(): boolean;
  /** Turns the copy of the head into what the mirror gets. */
  rewrite(head: RequestHead, info: StreamInfo): void;
}

export function compileMirrors(
  configs: readonly RouteAction_RequestMirrorPolicyJson[] | undefined,
  context: { readonly services: Services; readonly validateClusters: boolean },
): readonly MirrorPolicy[] {
  return compileEach("request_mirror_policies", configs, (config) =>
    compileMirror(config, context),
  );
}

function compileMirror(
  config: RouteAction_RequestMirrorPolicyJson,
  context: { readonly services: Services; readonly validateClusters: boolean },
): MirrorPolicy {
  const { services } = context;
  const mutations = compileFieldMutations(
    "request_headers_mutations",
    config.requestHeadersMutations,
  );
  const hostLiteral = config.hostRewriteLiteral ?? "";
  const suffix = config.disableShadowHostSuffixAppend !== true;
  const { runtimeFraction } = config;
  const chosen =
    runtimeFraction === undefined
      ? () => true
      : drawnBy(compileRuntimeFraction(runtimeFraction, services.runtime), services);
  return {
    clusterOf: compileTarget(config, context),
    chosen,
    rewrite: (head, info) => rewriteForMirror(head, info, { mutations, hostLiteral, suffix }),
  };
}

function drawnBy(fraction: Fraction, { random }: Services): () => boolean {
  return () => fraction(random.unit());
}

function compileTarget(
  { cluster = "", clusterHeader = "" }: RouteAction_RequestMirrorPolicyJson,
  { services, validateClusters }: { services: Services; validateClusters: boolean },
): (head: RequestHead) => string {
  if (cluster !== "" && clusterHeader !== "")
    throw refuse(
      "",
      "only one of cluster or cluster_header can be specified in request mirror policy",
    );
  if (cluster === "" && clusterHeader === "")
    throw refuse("", "exactly one of cluster or cluster_header must be specified");
  if (cluster === "") {
    const name = clusterHeader.toLowerCase();
    return (head) => head.get(name) ?? "";
  }
  if (validateClusters && !services.clusters.declares(cluster))
    throw refuse("cluster", `route: unknown shadow cluster '${cluster}'`);
  return () => cluster;
}

function rewriteForMirror(
  head: RequestHead,
  info: StreamInfo,
  change: { mutations: readonly FieldMutation[]; hostLiteral: string; suffix: boolean },
): void {
  for (const mutate of change.mutations) mutate(head.headers, info);
  if (change.hostLiteral !== "") head.authority = change.hostLiteral;
  else if (change.suffix) head.authority = shadowHost(head.authority);
}

/** "cluster1:8080" → "cluster1-shadow:8080", as Envoy, so that the mirror can tell. */
function shadowHost(authority: string): string {
  const port = /:\d+$/.exec(authority)?.[0] ?? "";
  return `${authority.slice(0, authority.length - port.length)}-shadow${port}`;
}

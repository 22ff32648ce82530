/** Clusters that Pilot makes of small views. */
import assert from "node:assert/strict";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { Service } from "#model/service.ts";
import type { DestinationRule, OutboundScope, ProxyView } from "#pilot/view.ts";
import { generateClusters } from "../src/pilot/translate/clusters/generate.ts";
import { aDestinationRule, aScope, aService, aView, type Seen } from "./pilot-view.ts";

export const hostname = "reviews.default.svc.cluster.local";
export const reviews: Service = aService({ hostname });

export type Policy = NonNullable<DestinationRule["spec"]["trafficPolicy"]>;

export function byName(view: ProxyView): Readonly<Record<string, ClusterJson>> {
  return Object.fromEntries(generateClusters(view).map((made) => [made.name ?? "", made]));
}

export function firstOf(seen: Seen, scope: Partial<OutboundScope> = {}): ClusterJson {
  const [first] = generateClusters(aView(aScope([seen], scope)));
  assert.ok(first);
  return first;
}

export function ruled(trafficPolicy: Policy, scope: Partial<OutboundScope> = {}): ClusterJson {
  return firstOf(
    { service: reviews, rule: aDestinationRule({ host: hostname, trafficPolicy }) },
    scope,
  );
}

export function httpOptions(made: ClusterJson): unknown {
  const { "@type": _type, ...options } =
    made.typedExtensionProtocolOptions?.[
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    ] ?? {};
  return options;
}

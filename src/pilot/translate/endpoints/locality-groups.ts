import type { LbEndpointJson } from "#gen/envoy/config/endpoint/v3/endpoint_components_pb.js";
import type {
  LocalityLoadBalancerSetting_DistributeJson,
  LocalityLoadBalancerSetting_FailoverJson,
} from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import type { Endpoint, Locality } from "#model/service.ts";
import type { LocalityChoice } from "../locality-setting.ts";
import { weightOf } from "./lb-endpoint.ts";
import { distance, inLocality, localityLabel } from "./locality.ts";

export interface Member {
  readonly endpoint: Endpoint;
  readonly lbEndpoint: LbEndpointJson;
}

/** Endpoints of one locality that are picked with one priority. */
export interface LocalityGroup {
  readonly locality: Locality;
  readonly members: readonly Member[];
  readonly weight: number;
  readonly priority: number;
}

/** Who calls: where it is, and its labels. */
export interface Caller {
  readonly locality: Locality;
  readonly labels: Readonly<Record<string, string>>;
  readonly clusterId: string;
  readonly network: string;
}

/** In the order of their names, so that the same endpoints always make the same bytes. */
export function groupsOf(members: readonly Member[]): readonly LocalityGroup[] {
  const byLabel = new Map<string, Member[]>();
  for (const member of members) {
    const label = localityLabel(member.endpoint.locality);
    const known = byLabel.get(label);
    if (known === undefined) byLabel.set(label, [member]);
    else known.push(member);
  }
  return [...byLabel]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, group]) => {
      const locality = group[0]?.endpoint.locality;
      return locality === undefined ? [] : [groupOf(locality, group, 0)];
    });
}

function groupOf(locality: Locality, members: readonly Member[], priority: number): LocalityGroup {
  const weight = members.reduce((sum, { endpoint }) => sum + weightOf(endpoint), 0);
  return { locality, members, weight: Math.min(weight, 2 ** 32 - 1), priority };
}

/** Weights or priorities by where the caller is. One of the two: a distribution leaves nothing to fail over to. */
export function arranged(
  groups: readonly LocalityGroup[],
  { setting, failover }: LocalityChoice,
  caller: Caller,
): readonly LocalityGroup[] {
  if (setting === undefined) return groups;
  const { distribute = [], failover: regions = [], failoverPriority = [] } = setting;
  if (distribute.length > 0) return distributed(groups, distribute, caller.locality);
  if (!failover) return groups;
  if (failoverPriority.length === 0) return byDistance(groups, regions, caller.locality);
  const labelled = byLabels(groups, failoverPriority, caller);
  return regions.length > 0 ? byDistance(labelled, regions, caller.locality) : labelled;
}

/** The shares of the first distribution that is meant for the caller; localities that it does not name get nothing. */
function distributed(
  groups: readonly LocalityGroup[],
  rules: readonly LocalityLoadBalancerSetting_DistributeJson[],
  from: Locality,
): readonly LocalityGroup[] {
  const rule = rules.find((candidate) => inLocality(from, candidate.from ?? ""));
  if (rule === undefined) return groups;
  const weights = new Map<LocalityGroup, number>();
  for (const [pattern, share] of Object.entries(rule.to ?? {})) {
    const matched = groups.filter(
      (group) => !weights.has(group) && inLocality(group.locality, pattern),
    );
    const whole = matched.reduce((sum, { weight }) => sum + weight, 0);
    for (const group of matched) {
      const weight = Math.ceil((group.weight * share) / whole);
      weights.set(group, weight > 0 ? weight : group.weight);
    }
  }
  return groups.flatMap((group) => {
    const weight = weights.get(group);
    return weight === undefined ? [] : [{ ...group, weight }];
  });
}

const distances = 5;

/** Near ones first; of other regions first the one that the rule names for the caller's. */
function byDistance(
  groups: readonly LocalityGroup[],
  rules: readonly LocalityLoadBalancerSetting_FailoverJson[],
  from: Locality,
): readonly LocalityGroup[] {
  const rule = rules.find((candidate) => candidate.from === from.region);
  return compacted(
    groups.map((group) => {
      const near = distance(from, group.locality);
      const place =
        near === 3 && rule !== undefined && rule.to !== group.locality.region ? 4 : near;
      return { ...group, priority: group.priority * distances + place };
    }),
  );
}

/** Those with all labels in common with the caller first, then those with all but the last, and so on. */
function byLabels(
  groups: readonly LocalityGroup[],
  labels: readonly string[],
  caller: Caller,
): readonly LocalityGroup[] {
  const wanted = labels.map((label): readonly [string, string] => {
    const [name = "", value] = label.split("=");
    return [name, value ?? callerLabel(caller, name)];
  });
  const split = groups.flatMap(({ locality, members }) => {
    const byPriority = new Map<number, Member[]>();
    for (const member of members) {
      const miss = wanted.findIndex(
        ([name, value]) => endpointLabel(member.endpoint, name) !== value,
      );
      const priority = miss === -1 ? 0 : wanted.length - miss;
      const known = byPriority.get(priority);
      if (known === undefined) byPriority.set(priority, [member]);
      else known.push(member);
    }
    return [...byPriority]
      .sort(([a], [b]) => a - b)
      .map(([priority, chosen]) => groupOf(locality, chosen, priority));
  });
  return compacted(split);
}

/** Envoy wants priorities without gaps. */
function compacted(groups: readonly LocalityGroup[]): readonly LocalityGroup[] {
  const used = [...new Set(groups.map(({ priority }) => priority))].sort((a, b) => a - b);
  const places = new Map(used.map((priority, index) => [priority, index]));
  return groups.map((group) => ({ ...group, priority: places.get(group.priority) ?? 0 }));
}

function callerLabel({ labels, locality, clusterId, network }: Caller, name: string): string {
  return labels[name] ?? topology(name, { locality, clusterId, network }) ?? "";
}

function endpointLabel(endpoint: Endpoint, name: string): string {
  const { labels, locality, clusterId, network, nodeName } = endpoint;
  return labels[name] ?? topology(name, { locality, clusterId, network, nodeName }) ?? "";
}

interface Place {
  readonly locality: Locality;
  readonly clusterId: string;
  readonly network: string;
  readonly nodeName?: string | undefined;
}

/** Where something is, as the labels that Kubernetes and Istio would give it. */
function topology(name: string, place: Place): string | undefined {
  switch (name) {
    case "topology.kubernetes.io/region":
      return place.locality.region;
    case "topology.kubernetes.io/zone":
      return place.locality.zone;
    case "topology.istio.io/subzone":
      return place.locality.subZone;
    case "topology.istio.io/cluster":
      return place.clusterId;
    case "topology.istio.io/network":
      return place.network;
    case "kubernetes.io/hostname":
      return place.nodeName;
    default:
      return undefined;
  }
}

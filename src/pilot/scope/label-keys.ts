import type { LocalityLoadBalancerSettingJson } from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import type { Service } from "#model/service.ts";
import { trafficDistributionAnnotation } from "../registries/kubernetes/service.ts";
import type { DestinationRule, Sidecar, VirtualService } from "../view.ts";

/** A proxy's machine, as Kubernetes labels its Nodes. */
export const nodeNameLabel = "kubernetes.io/hostname";

/** The labels of callers that a rule looks at: proxies that agree in all rules' labels see the same. */
export function labelKeysOfVirtualService({ spec }: VirtualService): readonly string[] {
  const routes = [...(spec.http ?? []), ...(spec.tls ?? []), ...(spec.tcp ?? [])];
  return routes.flatMap(({ match }) =>
    (match ?? []).flatMap(({ sourceLabels }) => Object.keys(sourceLabels ?? {})),
  );
}

/** The caller's labels that decide which endpoints are near (`failoverPriority`); `name=value` asks nothing of the caller. */
export const labelKeysOfLocality = ({
  failoverPriority = [],
}: LocalityLoadBalancerSettingJson): readonly string[] =>
  failoverPriority.filter((label) => !label.includes("="));

export function labelKeysOfDestinationRule({ spec }: DestinationRule): readonly string[] {
  const policies = [spec.trafficPolicy, ...(spec.subsets ?? []).map((one) => one.trafficPolicy)];
  const balancers = policies.flatMap((policy) => [
    policy?.loadBalancer,
    ...(policy?.portLevelSettings ?? []).map(({ loadBalancer }) => loadBalancer),
  ]);
  return [
    ...Object.keys(spec.workloadSelector?.matchLabels ?? {}),
    ...balancers.flatMap((balancer) => labelKeysOfLocality(balancer?.localityLbSetting ?? {})),
  ];
}

/** A service whose callers go to their own machine first. */
export const labelKeysOfService = ({ annotations }: Service): readonly string[] =>
  annotations[trafficDistributionAnnotation] === "PreferSameNode" ? [nodeNameLabel] : [];

export const labelKeysOfSidecar = ({ spec }: Sidecar): readonly string[] =>
  Object.keys(spec.workloadSelector?.labels ?? {});

import type { DestinationRule, Sidecar, VirtualService } from "../view.ts";

/** The labels of callers that some rule looks at: proxies that agree in these see the same. */
export function labelKeysOf({
  virtualServices,
  destinationRules,
  sidecars,
}: {
  readonly virtualServices: readonly VirtualService[];
  readonly destinationRules: readonly DestinationRule[];
  readonly sidecars: readonly Sidecar[];
}): ReadonlySet<string> {
  const keys = new Set<string>();
  const add = (labels: Readonly<Record<string, string>> | undefined): void => {
    for (const key in labels) keys.add(key);
  };
  for (const { spec } of virtualServices) {
    for (const { match } of [...(spec.http ?? []), ...(spec.tls ?? []), ...(spec.tcp ?? [])]) {
      for (const { sourceLabels } of match ?? []) add(sourceLabels);
    }
  }
  for (const { spec } of destinationRules) add(spec.workloadSelector?.matchLabels);
  for (const { spec } of sidecars) add(spec.workloadSelector?.labels);
  return keys;
}

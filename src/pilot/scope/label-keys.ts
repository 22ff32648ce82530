import type { DestinationRule, Sidecar, VirtualService } from "../view.ts";

/** The labels of callers that a rule looks at: proxies that agree in all rules' labels see the same. */
export function labelKeysOfVirtualService({ spec }: VirtualService): readonly string[] {
  const routes = [...(spec.http ?? []), ...(spec.tls ?? []), ...(spec.tcp ?? [])];
  return routes.flatMap(({ match }) =>
    (match ?? []).flatMap(({ sourceLabels }) => Object.keys(sourceLabels ?? {})),
  );
}

export const labelKeysOfDestinationRule = ({ spec }: DestinationRule): readonly string[] =>
  Object.keys(spec.workloadSelector?.matchLabels ?? {});

export const labelKeysOfSidecar = ({ spec }: Sidecar): readonly string[] =>
  Object.keys(spec.workloadSelector?.labels ?? {});

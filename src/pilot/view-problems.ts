/** What of the configuration has no effect on a proxy, or another one than was meant: for metrics, logs and warnings. */
import { clusterProblems } from "./translate/clusters/problems.ts";
import { listenerProblems } from "./translate/listeners/generate.ts";
import type { ListenerProblem } from "./translate/listeners/problems.ts";
import { type RouteProblem, routeProblems } from "./translate/routes/problems.ts";
import type { ProxyView } from "./view.ts";

export interface ViewProblem {
  /** Istio's name of the number of such problems. */
  readonly metric: ListenerProblem["metric"] | RouteProblem["metric"];
  /** The listener, or what else it is about. */
  readonly where: string;
  readonly message: string;
}

export function viewProblems(view: ProxyView): readonly ViewProblem[] {
  return [
    ...(view.rejectedServers ?? []).map(({ object, index, reason }) => ({
      metric: "pilot_total_rejected_configs" as const,
      where: `${object.metadata.namespace}/${object.metadata.name}`,
      message: `Gateway ${object.metadata.namespace}/${object.metadata.name}, server ${index}: ${reason}`,
    })),
    ...routeProblems(view).map(({ metric, route, message }) => ({ metric, where: route, message })),
    ...listenerProblems(view).map(({ metric, listener, message }) => ({
      metric,
      where: listener,
      message,
    })),
    ...clusterProblems(view).map(({ object, message }) => ({
      metric: undefined,
      where: object,
      message,
    })),
  ];
}

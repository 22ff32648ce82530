import type { ConfigObject } from "#model/object.ts";
import type { OutboundScope, ProxyView } from "../../view.ts";
import { type DroppedDomains, droppedDomains } from "./dropped-domains.ts";
import { generateRoutes } from "./generate.ts";

export interface RouteProblem {
  readonly metric: "pilot_vservice_dup_domain";
  /** The name of the routes. */
  readonly route: string;
  readonly message: string;
}

const ofScope = new WeakMap<OutboundScope["key"], readonly RouteProblem[]>();

/** Hosts of rules and services that others have already. A gateway merges the rules of a host: there are none. */
export function routeProblems(view: ProxyView): readonly RouteProblem[] {
  const { scope } = view;
  if (scope.type === "router") return [];
  const known = ofScope.get(scope.key);
  if (known !== undefined) return known;
  const problems = generateRoutes(view, "all").flatMap((configuration) =>
    droppedDomains(configuration).map((dropped) => ({
      metric: "pilot_vservice_dup_domain" as const,
      route: configuration.name ?? "",
      message: messageOf(dropped),
    })),
  );
  ofScope.set(scope.key, problems);
  return problems;
}

function messageOf({ virtualHost, domains, whole, rules }: DroppedDomains): string {
  const object = rules[0]?.object;
  const who = object === undefined ? "a service" : nameOf(object);
  return whole
    ? `${who} has no effect on ${virtualHost}: an older rule or service has this host`
    : `${who} does not get the names ${domains.join(", ")} of ${virtualHost}: an older rule or service has them`;
}

const nameOf = ({ kind, metadata }: ConfigObject): string =>
  `${kind} ${metadata.namespace}/${metadata.name}`;

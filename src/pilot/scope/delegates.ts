import type {
  HTTPMatchRequestJson,
  HTTPRouteJson,
  StringMatchJson,
} from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import { decidedBy, rulesBehind } from "../provenance.ts";
import type { VirtualService } from "../view.ts";
import { isExported } from "./visibility.ts";

/** A VirtualService without hosts: it serves only where another one delegates to it. */
export const isDelegate = (object: VirtualService): boolean =>
  (object.spec.hosts ?? []).length === 0;

export const delegates = (object: VirtualService): boolean =>
  (object.spec.http ?? []).some((route) => route.delegate !== undefined);

export interface DelegateLookup {
  /** A VirtualService without hosts; names in it are full. */
  find(namespace: string, name: string): VirtualService | undefined;
  readonly defaultExportTo: readonly string[];
}

/** The root with each delegating route replaced by what its delegate routes; a delegate that is absent or not exported gives none. */
export function mergeDelegates(root: VirtualService, lookup: DelegateLookup): VirtualService {
  const http = (root.spec.http ?? []).flatMap((route) => {
    if (route.delegate === undefined) return [route];
    const namespace = route.delegate.namespace || root.metadata.namespace;
    const delegate = lookup.find(namespace, route.delegate.name ?? "");
    if (delegate === undefined) return [];
    const exportTo = delegate.spec.exportTo?.length
      ? delegate.spec.exportTo
      : lookup.defaultExportTo;
    if (!isExported(exportTo, { namespace, from: root.metadata.namespace })) return [];
    return mergeHttpRoutes(route, delegate.spec.http ?? []);
  });
  return { ...root, spec: { ...root.spec, http } };
}

function mergeHttpRoutes(root: HTTPRouteJson, routes: readonly HTTPRouteJson[]): HTTPRouteJson[] {
  const merged: HTTPRouteJson[] = [];
  for (const route of routes) {
    // One level only.
    if (route.delegate !== undefined) continue;
    const match = mergeMatches(root.match ?? [], route.match ?? []);
    if (match === undefined) continue;
    const result = mergeHttpRoute(root, route);
    if (match.length > 0) result.match = match;
    merged.push(decidedBy(result, ...rulesBehind(root), ...rulesBehind(route)));
  }
  return merged;
}

/** What the delegate says wins; of what it leaves open, these come from the root. */
const inherited = [
  "rewrite",
  "directResponse",
  "timeout",
  "retries",
  "fault",
  "mirror",
  "mirrors",
  "mirrorPercent",
  "mirrorPercentage",
  "corsPolicy",
  "headers",
] as const satisfies readonly (keyof HTTPRouteJson)[];

function mergeHttpRoute(root: HTTPRouteJson, route: HTTPRouteJson): HTTPRouteJson {
  const fromRoot = Object.fromEntries(
    inherited.filter((field) => root[field] !== undefined).map((field) => [field, root[field]]),
  );
  const name = joinNames(root.name, route.name);
  return { ...fromRoot, ...route, ...(name !== undefined && { name }) };
}

function joinNames(root: string | undefined, leaf: string | undefined): string | undefined {
  if (!root || !leaf) return leaf || root || undefined;
  return `${root}-${leaf}`;
}

/** Undefined: some match of the delegate lies within none of the root's. */
function mergeMatches(
  roots: readonly HTTPMatchRequestJson[],
  leaves: readonly HTTPMatchRequestJson[],
): HTTPMatchRequestJson[] | undefined {
  if (roots.length === 0) return [...leaves];
  if (leaves.length === 0) return [...roots];
  const merged: HTTPMatchRequestJson[] = [];
  for (const leaf of leaves) {
    const compatible = roots.filter((root) => !conflict(root, leaf));
    if (compatible.length === 0) return undefined;
    merged.push(...compatible.map((root) => mergeMatch(root, leaf)));
  }
  return merged;
}

const stringMatches = ["uri", "scheme", "method", "authority"] as const;
const matchMaps = ["headers", "withoutHeaders", "queryParams"] as const;

function mergeMatch(root: HTTPMatchRequestJson, leaf: HTTPMatchRequestJson): HTTPMatchRequestJson {
  const name = joinNames(root.name, leaf.name);
  const merged: HTTPMatchRequestJson = {
    ...root,
    ...leaf,
    ...(name !== undefined && { name }),
  };
  // A list that is written but empty says nothing.
  if (!leaf.gateways?.length && root.gateways) merged.gateways = root.gateways;
  for (const map of matchMaps) {
    if (root[map] && leaf[map]) merged[map] = { ...root[map], ...leaf[map] };
  }
  if (root.sourceLabels && leaf.sourceLabels) {
    merged.sourceLabels = { ...root.sourceLabels, ...leaf.sourceLabels };
  }
  return merged;
}

function conflict(root: HTTPMatchRequestJson, leaf: HTTPMatchRequestJson): boolean {
  return (
    stringMatches.some((name) => stringConflict(root[name], leaf[name])) ||
    matchMaps.some((map) => mapConflict(root[map], leaf[map])) ||
    (root.ignoreUriCase ?? false) !== (leaf.ignoreUriCase ?? false) ||
    sourceConflict(root, leaf)
  );
}

function mapConflict(
  root: Readonly<Record<string, StringMatchJson>> = {},
  leaf: Readonly<Record<string, StringMatchJson>> = {},
): boolean {
  return Object.entries(leaf).some(([key, match]) => stringConflict(root[key], match));
}

function sourceConflict(root: HTTPMatchRequestJson, leaf: HTTPMatchRequestJson): boolean {
  if (root.port && leaf.port && root.port !== leaf.port) return true;
  if (root.sourceNamespace && leaf.sourceNamespace !== root.sourceNamespace) return true;
  const rootLabels = root.sourceLabels ?? {};
  for (const [key, value] of Object.entries(leaf.sourceLabels ?? {})) {
    if (rootLabels[key] !== undefined && rootLabels[key] !== value) return true;
  }
  const [rootGateways = [], leafGateways = []] = [root.gateways, leaf.gateways];
  if (rootGateways.length === 0) return false;
  return leafGateways.some((gateway) => !rootGateways.includes(gateway));
}

/** Whether the leaf may mean what the root excludes. A regular expression cannot be compared with anything. */
function stringConflict(
  root: StringMatchJson | undefined,
  leaf: StringMatchJson | undefined,
): boolean {
  if (root === undefined || leaf === undefined) return false;
  if (root.regex || leaf.regex) return true;
  if (root.exact) return leaf.exact !== root.exact;
  if (!root.prefix) return true;
  return !(leaf.prefix || leaf.exact || "").startsWith(root.prefix);
}

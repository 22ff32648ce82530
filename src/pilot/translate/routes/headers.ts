import type { HeaderValueOptionJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type {
  Headers_HeaderOperationsJson,
  HeadersJson,
} from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";

/** Fields that routes and weighted clusters both have. */
export interface HeaderMutations {
  requestHeadersToAdd?: HeaderValueOptionJson[];
  requestHeadersToRemove?: string[];
  responseHeadersToAdd?: HeaderValueOptionJson[];
  responseHeadersToRemove?: string[];
}

export interface HeaderOperations {
  readonly mutations: HeaderMutations;
  /** What `set` or `add` of `:authority` or `host` asks for. */
  readonly authority: string | undefined;
}

export function headerOperations(headers: HeadersJson | undefined): HeaderOperations {
  const request = headers?.request ?? {};
  const response = headers?.response ?? {};
  return {
    mutations: withoutEmpty({
      requestHeadersToAdd: additions(request),
      requestHeadersToRemove: removals(request),
      responseHeadersToAdd: additions(response),
      responseHeadersToRemove: removals(response),
    }),
    authority: authorityOf(request.set) ?? authorityOf(request.add),
  };
}

/** What a route with one destination does: its own first, then the destination's. */
export function joinMutations(
  route: HeaderMutations,
  destination: HeaderMutations,
): HeaderMutations {
  const both = <T>(a: readonly T[] = [], b: readonly T[] = []): T[] => [...a, ...b];
  return withoutEmpty({
    requestHeadersToAdd: both(route.requestHeadersToAdd, destination.requestHeadersToAdd),
    requestHeadersToRemove: both(route.requestHeadersToRemove, destination.requestHeadersToRemove),
    responseHeadersToAdd: both(route.responseHeadersToAdd, destination.responseHeadersToAdd),
    responseHeadersToRemove: both(
      route.responseHeadersToRemove,
      destination.responseHeadersToRemove,
    ),
  });
}

function withoutEmpty(mutations: Required<HeaderMutations>): HeaderMutations {
  const { requestHeadersToAdd, requestHeadersToRemove } = mutations;
  const { responseHeadersToAdd, responseHeadersToRemove } = mutations;
  return {
    ...(requestHeadersToAdd.length > 0 && { requestHeadersToAdd }),
    ...(requestHeadersToRemove.length > 0 && { requestHeadersToRemove }),
    ...(responseHeadersToAdd.length > 0 && { responseHeadersToAdd }),
    ...(responseHeadersToRemove.length > 0 && { responseHeadersToRemove }),
  };
}

/** `set` before `add`, each by the alphabet. */
function additions({ set = {}, add = {} }: Headers_HeaderOperationsJson): HeaderValueOptionJson[] {
  return [
    ...mutable(set).map((header) => ({
      header,
      appendAction: "OVERWRITE_IF_EXISTS_OR_ADD" as const,
    })),
    ...mutable(add).map((header) => ({ header })),
  ];
}

function mutable(headers: Readonly<Record<string, string>>): { key: string; value: string }[] {
  return Object.entries(headers)
    .filter(([key]) => !isInternal(key))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => ({ key, value }));
}

function removals({ remove = [] }: Headers_HeaderOperationsJson): string[] {
  return remove.filter((name) => !isInternal(name));
}

/** Envoy refuses to change these as headers. */
function isInternal(name: string): boolean {
  return name.startsWith(":") || name.toLowerCase() === "host";
}

function authorityOf(headers: Readonly<Record<string, string>> = {}): string | undefined {
  const authority = Object.entries(headers).findLast(([name]) =>
    [":authority", "host"].includes(name.toLowerCase()),
  )?.[1];
  return authority === "" ? undefined : authority;
}

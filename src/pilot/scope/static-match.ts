import { meshGateway } from "../view.ts";
import { selects } from "./visibility.ts";

/** The parts of a match that are known before any call: of HTTPMatchRequest, TLSMatchAttributes and L4MatchAttributes. */
export interface StaticMatch {
  readonly sourceLabels?: Readonly<Record<string, string>>;
  readonly sourceNamespace?: string;
  /** In full, as `virtualServices` has them. */
  readonly gateways?: readonly string[];
}

export interface MatchSource {
  readonly labels: Readonly<Record<string, string>>;
  readonly namespace: string;
  /** `mesh`, or the names of the Gateways that the call came through. */
  readonly gateways: ReadonlySet<string>;
}

export const meshSource: ReadonlySet<string> = new Set([meshGateway]);

/** Whether a match can hold for calls of this source at all; if not, its route is left out. */
export function mayMatch(match: StaticMatch, source: MatchSource): boolean {
  const { gateways = [], sourceLabels = {}, sourceNamespace } = match;
  if (gateways.length > 0 && !gateways.some((name) => source.gateways.has(name))) return false;
  if (!selects(sourceLabels, source.labels)) return false;
  return !sourceNamespace || sourceNamespace === source.namespace;
}

import type { OutboundScope } from "../view.ts";

const keys = new WeakMap<OutboundScope, string>();

/** What of a kind of proxy its clusters and endpoints depend on, apart from what it sees: equal in the scopes that follow each other. */
export function callerKey(scope: OutboundScope): string {
  let key = keys.get(scope);
  if (key === undefined) {
    const { type, clusterId, network, locality, labels } = scope;
    const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
    key = JSON.stringify([type, clusterId, network, locality, sorted]);
    keys.set(scope, key);
  }
  return key;
}

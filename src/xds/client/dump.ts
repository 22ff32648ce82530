import type { ResourceDump, TypeDump } from "../subscriber.ts";
import type { TypeState } from "./type-state.ts";

/** What is known of a type, asked for or refused, by name. */
export function dumpType(state: TypeState): TypeDump {
  const names = new Set([...state.known.keys(), ...state.refused.keys(), ...state.names.keys()]);
  const resources = [...names].sort().map((name) => dumpResource(state, name));
  return { type: state.type, version: state.version, resources };
}

function dumpResource(state: TypeState, name: string): ResourceDump {
  const known = state.known.get(name);
  const refused = state.refused.get(name);
  return {
    name,
    resource: known?.resource,
    lastUpdatedMs: known?.updatedMs,
    refused,
    status: statusOf(state, name),
  };
}

function statusOf(state: TypeState, name: string): ResourceDump["status"] {
  if (state.refused.has(name)) return "nacked";
  if (state.known.has(name)) return "acked";
  return state.absent.has(name) ? "does-not-exist" : "requested";
}

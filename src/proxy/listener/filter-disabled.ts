import type { ListenerFilterChainMatchPredicateJson } from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import type {
  AcceptedSocket,
  ListenerFilter,
  ListenerVerdict,
} from "../filters/listener/filter.ts";

type Predicate = (socket: AcceptedSocket) => boolean;

const done: ListenerVerdict = { verdict: "done", consumed: 0 };

/** `filter_disabled`: connections that the filter is not for. What earlier filters restored counts. */
export function unlessDisabled(filter: ListenerFilter, isDisabled: Predicate): ListenerFilter {
  return {
    bytesMax: filter.bytesMax,
    onAccept: (socket) => (isDisabled(socket) ? done : filter.onAccept(socket)),
    onData: (socket, peeked) => filter.onData(socket, peeked),
    onTimeout: (socket) => filter.onTimeout?.(socket),
  };
}

/** Throws ConfigError. */
export function compilePredicate(config: ListenerFilterChainMatchPredicateJson): Predicate {
  const { orMatch, andMatch, notMatch, anyMatch, destinationPortRange } = config;
  if (orMatch !== undefined) {
    const rules = compileEach("or_match.rules", orMatch.rules, compilePredicate);
    return (socket) => rules.some((rule) => rule(socket));
  }
  if (andMatch !== undefined) {
    const rules = compileEach("and_match.rules", andMatch.rules, compilePredicate);
    return (socket) => rules.every((rule) => rule(socket));
  }
  if (notMatch !== undefined) {
    const rule = within("not_match", () => compilePredicate(notMatch));
    return (socket) => !rule(socket);
  }
  if (destinationPortRange !== undefined) {
    const { start = 0, end = 0 } = destinationPortRange;
    return ({ local }) => local.port >= start && local.port < end;
  }
  if (anyMatch === undefined) throw refuse("rule", "is required");
  return () => true;
}

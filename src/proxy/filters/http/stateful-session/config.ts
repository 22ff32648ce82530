import type {
  StatefulSessionJson,
  StatefulSessionPerRouteJson,
} from "#gen/envoy/extensions/filters/http/stateful_session/v3/stateful_session_pb.js";
import type { Clock } from "#lib/clock.ts";
import { within } from "#lib/config-error.ts";
import type { StatsScope } from "../../../stats/stats.ts";
import type { HttpFilterFactory } from "../filter.ts";
import { compileSessionState } from "./session-state.ts";
import { type SessionStats, type Sessions, StatefulSessionFilter } from "./stateful-session.ts";

// The loader checked each configuration against the descriptor of the type that is named here.
export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.stateful_session",
  configType: "envoy.extensions.filters.http.stateful_session.v3.StatefulSession",
  routeConfigType: "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute",
  compile(config, { filterName, scope, services }) {
    const own = config as StatefulSessionJson;
    const shared = {
      filterName,
      sessions: compileSessions(own, services.clock),
      stats: compileStats(own.statPrefix ?? "", scope),
    };
    return () => new StatefulSessionFilter(shared);
  },
  compileRoute(config, services): Sessions {
    const { statefulSession } = config as StatefulSessionPerRouteJson;
    return within("stateful_session", () => compileSessions(statefulSession ?? {}, services.clock));
  },
};

function compileSessions({ sessionState, strict }: StatefulSessionJson, clock: Clock): Sessions {
  const state =
    sessionState === undefined
      ? undefined
      : within("session_state", () => compileSessionState(sessionState, clock));
  return { state, strict: strict === true };
}

function compileStats(prefix: string, scope: StatsScope): SessionStats | undefined {
  if (prefix === "") return undefined;
  const own = scope.scope(`stateful_session.${prefix}.`);
  return {
    routed: own.counter("routed"),
    failedOpen: own.counter("failed_open"),
    failedClosed: own.counter("failed_closed"),
  };
}

import { type AdminAnswer, type AdminPage, ok } from "../page.ts";
import type { AdminSource } from "../source.ts";

/** Pages that do one thing and say OK. */
export const actionPages: readonly AdminPage[] = [
  {
    path: "/drain_listeners",
    post: true,
    help: "drain listeners",
    parameters: [
      {
        name: "graceful",
        help: "Tell connections to end for the drain time (--drain-time-s) before listeners close",
      },
      {
        name: "skip_exit",
        help: "Drain the connections but never stop the listeners; graceful has no effect then",
      },
      {
        name: "inboundonly",
        help: "Only listeners whose traffic_direction is INBOUND",
      },
    ],
    answer: ({ query }, { source }) => {
      source.drain({
        graceful: query.has("graceful"),
        skipExit: query.has("skip_exit"),
        inboundOnly: query.has("inboundonly"),
      });
      return ok;
    },
  },
  action("/healthcheck/fail", "cause the server to fail health checks", (source) =>
    source.setHealthFailed(true),
  ),
  action("/healthcheck/ok", "cause the server to pass health checks", (source) =>
    source.setHealthFailed(false),
  ),
  action("/quitquitquit", "exit the server", (source) => source.quit()),
  action("/reopen_logs", "reopen access logs", (source) => source.reopenLogs()),
  action("/reset_counters", "reset all counters to zero", (source) => source.stats.resetCounters()),
];

function action(path: string, help: string, act: (source: AdminSource) => void): AdminPage {
  return {
    path,
    post: true,
    help,
    answer: (_request, { source }): AdminAnswer => {
      act(source);
      return ok;
    },
  };
}

import type { AdminAnswer, AdminPage, AdminRequest } from "./page.ts";
import type { AdminSource } from "./source.ts";

const ok: AdminAnswer = { body: "OK\n" };

export const actionPages: readonly AdminPage[] = [
  {
    path: "/drain_listeners",
    post: true,
    help: "drain listeners",
    parameters: [
      ["graceful", "Tell connections to end over the drain time before listeners close"],
      ["skip_exit", "Drain the connections but never stop the listeners"],
      ["inboundonly", "Only listeners whose traffic_direction is INBOUND"],
    ],
    answer: ({ query }, source) => {
      source.drain({
        graceful: query.has("graceful"),
        skipExit: query.has("skip_exit"),
        inboundOnly: query.has("inboundonly"),
      });
      return ok;
    },
  },
  {
    path: "/healthcheck/fail",
    post: true,
    help: "cause the server to fail health checks",
    answer: (_request, source) => after(() => source.setHealthFailed(true)),
  },
  {
    path: "/healthcheck/ok",
    post: true,
    help: "cause the server to pass health checks",
    answer: (_request, source) => after(() => source.setHealthFailed(false)),
  },
  {
    path: "/quitquitquit",
    post: true,
    help: "exit the server",
    answer: (_request, source) => after(() => source.quit()),
  },
  {
    path: "/reopen_logs",
    post: true,
    help: "reopen access logs",
    answer: (_request, source) => after(() => source.reopenLogs()),
  },
  {
    path: "/logging",
    post: true,
    help: "query/change logging levels",
    parameters: [
      ["level", "desired level of all loggers"],
      ["paths", "name:level,name:level"],
    ],
    answer: logging,
  },
  {
    path: "/runtime_modify",
    post: true,
    help: "Adds or modifies runtime values as passed in query parameters. An empty value deletes.",
    answer: runtimeModify,
  },
];

function after(act: () => void): AdminAnswer {
  act();
  return ok;
}

function logging({ query }: AdminRequest, source: AdminSource): AdminAnswer {
  const changes = new Map<string, string>();
  const level = query.get("level");
  if (level !== null && level !== "")
    for (const name of source.logLevels.keys()) changes.set(name, level);
  for (const pair of (query.get("paths") ?? "").split(",").filter((part) => part !== "")) {
    const [name = "", wanted = ""] = pair.split(":");
    if (!source.logLevels.has(name)) return { status: 400, body: `error: unknown logger name\n` };
    changes.set(name, wanted);
  }
  const problem = changes.size === 0 ? undefined : source.setLogLevels(changes);
  if (problem !== undefined) return { status: 400, body: `error: ${problem}\n` };
  const lines = [...source.logLevels].map(([name, value]) => `  ${name}: ${value}\n`);
  return { body: `active loggers:\n${lines.join("")}\n` };
}

function runtimeModify({ query }: AdminRequest, source: AdminSource): AdminAnswer {
  const values = new Map(query);
  if (values.size === 0)
    return {
      status: 400,
      body: "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n       or send the parameters as form values\nuse an empty value to remove a previously added override",
    };
  const problem = source.modifyRuntime(values);
  return problem === undefined ? ok : { status: 503, body: problem };
}

import type { AdminAnswer, AdminPage, AdminRequest } from "../page.ts";
import type { AdminSource } from "../source.ts";

const levels = ["trace", "debug", "info", "warning", "error", "critical", "off"] as const;

export const loggingPage: AdminPage = {
  path: "/logging",
  post: true,
  help: "query/change logging levels",
  parameters: [
    {
      name: "paths",
      help: "levels of several loggers: <name1>:<level1>,<name2>:<level2>",
    },
    {
      name: "level",
      help: "level of all loggers",
      choices: ["", ...levels],
    },
  ],
  answer: (request, { source }) => logging(request, source),
};

function logging({ query }: AdminRequest, source: AdminSource): AdminAnswer {
  const problem = query.size === 0 ? undefined : change(query, source);
  if (problem === undefined) return { body: loggers(source) };
  return { status: 400, body: `error: ${problem}\n\n${usage}${loggers(source)}` };
}

/** Returns why nothing was changed. */
function change(query: ReadonlyMap<string, string>, source: AdminSource): string | undefined {
  const [[key, value] = ["", ""]] = query;
  if (query.size > 1) return "invalid number of parameters";
  if (key === "group") return "group parameter requires fine-grain logging to be enabled";
  const changes = new Map<string, string>();
  if (key === "level") {
    if (value === "") return undefined;
    for (const name of source.logLevels.keys()) changes.set(name, value);
  } else if (key === "paths") {
    for (const pair of value.split(",")) {
      const [name = "", level = ""] = pair.split(":");
      if (name === "" || level === "") return "empty logger name or empty logger level";
      changes.set(name, level);
    }
  } else {
    changes.set(key, value);
  }
  return checked(changes, source);
}

function checked(changes: ReadonlyMap<string, string>, source: AdminSource): string | undefined {
  for (const level of changes.values()) {
    if (!levels.some((known) => known === level)) return "unknown logger level";
  }
  for (const name of changes.keys()) {
    if (!source.logLevels.has(name)) return "unknown logger name";
  }
  return source.setLogLevels(changes);
}

const usage = `usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
levels: ${levels.join(" ")} 
`;

function loggers({ logLevels }: AdminSource): string {
  const lines = [...logLevels].map(([name, level]) => `  ${name}: ${level}\n`);
  return `active loggers:\n${lines.join("")}\n`;
}

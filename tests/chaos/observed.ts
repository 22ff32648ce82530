import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { after } from "node:test";
import type { Script } from "../../testkit/fake-upstream.ts";
import type { ParityCase } from "../parity/harness/area.ts";
import { http, type JsonObject, route, toCluster } from "../parity/harness/config.ts";
import { type CaseContext, get } from "../parity/harness/context.ts";

/** One failure, as a client of each proxy meets it. */
export interface Chaos {
  readonly name: string;
  readonly upstream: Script;
  /** Of the route to it. */
  readonly action?: JsonObject;
  readonly clusters?: readonly JsonObject[];
  /** Status and the access log's flags and details; "cut": the connection ends inside the response. */
  readonly sees: string;
  readonly heddle?: { readonly difference: string; readonly sees: string };
}

interface Observation {
  readonly name: string;
  readonly side: string;
  readonly seen: string;
  readonly ms: number;
}

const observations: Observation[] = [];

/** `HEDDLE_CHAOS_REPORT=FILE` has what was seen, and how long it took, appended there as tables. */
after(() => {
  // biome-ignore lint/style/noProcessEnv: the way to have a test run written down
  const file = process.env["HEDDLE_CHAOS_REPORT"];
  if (file !== undefined) appendFileSync(file, table());
});

function table(): string {
  const names = [...new Set(observations.map(({ name }) => name))];
  const cell = (name: string, side: string): string => {
    const found = observations.find((one) => one.name === name && one.side === side);
    return found === undefined
      ? ""
      : `\`${found.seen.replaceAll("|", "\\|")}\` | ${Math.round(found.ms)}`;
  };
  const rows = names.map(
    (name) => `| ${name} | ${cell(name, "envoy")} | ${cell(name, "heddle")} |`,
  );
  const head = ["| the upstream | Envoy | ms | Heddle | ms |", "| --- | --- | ---: | --- | ---: |"];
  return `${[...head, ...rows].join("\n")}\n`;
}

export async function timed(
  t: CaseContext,
  name: string,
  act: () => Promise<string>,
): Promise<string> {
  const begin = performance.now();
  const seen = await act();
  observations.push({ name, side: t.side, seen, ms: performance.now() - begin });
  return seen;
}

async function oneRequest(t: CaseContext): Promise<string> {
  const client = await t.connect();
  client.write(get("/"));
  const status = await client.response().then(
    ({ status: code }) => String(code),
    () => "cut",
  );
  const line = await t.logLine();
  return status === "cut" ? `cut ${line}` : line;
}

export function chaos({
  name,
  upstream,
  action = {},
  clusters = [],
  sees,
  heddle,
}: Chaos): ParityCase {
  const expecting = (expected: string) => async (t: CaseContext) => {
    assert.equal(await timed(t, name, () => oneRequest(t)), expected);
  };
  return {
    name,
    config: http({
      routes: [route({ prefix: "/" }, toCluster("main", { timeout: "0.4s", ...action }))],
      clusters,
    }),
    upstream,
    run: expecting(sees),
    ...(heddle === undefined
      ? {}
      : { heddle: { difference: heddle.difference, run: expecting(heddle.sees) } }),
  };
}

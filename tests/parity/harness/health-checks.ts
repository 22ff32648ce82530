/** Short spellings for active health checks: clusters, upstreams that answer as a case says, counters and events. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type FakeUpstream, response, type Script } from "../../../testkit/fake-upstream.ts";
import { type CaseConfig, cluster, endpoint, http, type JsonObject } from "./config.ts";
import type { CaseContext } from "./context.ts";
import { clusterFacts } from "./outlier.ts";

const said = new WeakMap<FakeUpstream, string>();

/** From now on the upstream answers checks so; "reset" and "silence" are no answers. Others always get 200. */
export function say(upstream: FakeUpstream, answer: string): void {
  said.set(upstream, answer);
}

/** Answers checks (of `/check`) as it was told, with 200 at first. */
export const obedient: Script = async (connection, _index, upstream) => {
  for (;;) {
    const request = await connection.request();
    if (request === undefined) break;
    const isCheck = request.startLine.split(" ")[1] === "/check";
    const answer = (isCheck ? said.get(upstream) : undefined) ?? response(200, "ok");
    if (answer === "silence") continue;
    if (answer === "reset") {
      connection.reset();
      return;
    }
    await connection.write(answer);
  }
  connection.end();
};

/** Often, so that a case ends soon, with time enough for a busy machine to answer. */
export const check = (extra: JsonObject = {}): JsonObject => ({
  timeout: "5s",
  interval: "0.05s",
  no_traffic_interval: "0.05s",
  unhealthy_threshold: 2,
  healthy_threshold: 2,
  http_health_check: { path: "/check" },
  ...extra,
});

export const checkHttp = (extra: JsonObject, more: JsonObject = {}): JsonObject =>
  check({ http_health_check: { path: "/check", ...extra }, ...more });

/** A cluster with checks and without panic; everything goes to it. */
export const checking = (
  healthCheck: JsonObject,
  endpoints: readonly JsonObject[] = [endpoint("main")],
  extra: JsonObject = {},
): CaseConfig =>
  http({
    clusters: [
      cluster("main", {
        load_assignment: { cluster_name: "{case}-main", endpoints: [{ lb_endpoints: endpoints }] },
        health_checks: [healthCheck],
        common_lb_config: { healthy_panic_threshold: { value: 0 } },
        ...extra,
      }),
    ],
  });

const name = (stat: string): string => `cluster.{case}-main.${stat}`;

/** Waits for these values below `health_check.`. */
export const checks = (t: CaseContext, values: Readonly<Record<string, number>>): Promise<void> =>
  t.stats(
    Object.fromEntries(
      Object.entries(values).map(([stat, value]) => [name(`health_check.${stat}`), value]),
    ),
  );

/** Waits until the counter below `health_check.` is at least `least`. */
export async function reaches(t: CaseContext, stat: string, least: number): Promise<void> {
  await t.eventually(async () => {
    const value = (await t.stat(name(`health_check.${stat}`))) ?? 0;
    assert.ok(value >= least, `${stat}: ${value}`);
  });
}

/** Waits for `/clusters` to show these health flags of an upstream's host. */
export async function flags(t: CaseContext, expected: string, upstream = "main"): Promise<void> {
  await t.eventually(async () => {
    const facts = await clusterFacts(t);
    assert.equal(facts[`127.0.0.1:${t.upstream(upstream).port}::health_flags`], expected);
  });
}

/** Waits for the cluster's hosts to be so many well, half well and left out. */
export const members = (
  t: CaseContext,
  {
    healthy,
    degraded = 0,
    excluded = 0,
  }: { healthy: number; degraded?: number; excluded?: number },
): Promise<void> =>
  t.stats({
    [name("membership_healthy")]: healthy,
    [name("membership_degraded")]: degraded,
    [name("membership_excluded")]: excluded,
  });

/** Asks until the answer has this status: a worker hears of a check a little later than it is counted. */
export async function answers(t: CaseContext, status: number): Promise<void> {
  await t.eventually(async () => assert.equal((await t.get("/")).status, status));
}

export interface CheckEvent {
  readonly [field: string]: unknown;
}

/** The events of the case's own log so far, without what differs from run to run. */
export async function allEvents(t: CaseContext): Promise<readonly CheckEvent[]> {
  const path = join(t.folder, "events.log");
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
  return lines.map((line) => {
    // Proof: every line of the log is an event.
    const { timestamp, ...rest } = JSON.parse(line) as CheckEvent & { readonly timestamp: unknown };
    assert.match(String(timestamp), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    return rest;
  });
}

/** The first `count` of them, once there are so many. */
export async function events(t: CaseContext, count: number): Promise<readonly CheckEvent[]> {
  return t.eventually(async () => {
    const found = await allEvents(t);
    assert.ok(found.length >= count, `${found.length} of ${count} events`);
    return found.slice(0, count);
  });
}

/** An event's kind with what it says: `add_healthy_event {"first_check":true}`. */
export function kindOf(event: CheckEvent | undefined): string {
  const [kind] = Object.keys(event ?? {}).filter((key) => /_event$|_host$/.test(key));
  return `${kind} ${JSON.stringify(event?.[kind ?? ""])}`;
}

/** Short spellings for outlier detection: clusters, upstreams whose answer the path asks for, counters and the event log. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { response, type Script } from "../../../testkit/fake-upstream.ts";
import type { Response } from "../../../testkit/raw-client.ts";
import { type CaseConfig, cluster, endpoint, http, type JsonObject } from "./config.ts";
import type { CaseContext } from "./context.ts";

/** `/503` is answered with 503; `/reset`, `/cut` (in mid-response) and `/hang` are not answered; all else with 200. `…?degraded` says so. */
export const byPath: Script = async (connection) => {
  for (;;) {
    const request = await connection.request();
    if (request === undefined) break;
    const [word = "", query] = request.startLine.split(" ")[1]?.slice(1).split("?") ?? [];
    if (word === "hang") continue;
    if (word === "cut") await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc");
    if (word === "cut" || word === "reset") {
      connection.reset();
      return;
    }
    const [status, grpcStatus] = word.split("-");
    const fields = grpcStatus === undefined ? [] : [`grpc-status: ${grpcStatus}`];
    if (query !== undefined) fields.push("x-envoy-degraded: true");
    await connection.write(response(Number(status) || 200, "", ...fields));
  }
  connection.end();
};

/** Always the same, whatever is asked. */
export const always =
  (status: number): Script =>
  async (connection) => {
    while ((await connection.request()) !== undefined) await connection.write(response(status));
    connection.end();
  };

/** Nothing listens on port 1. */
export const refusing: JsonObject = {
  endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: 1 } } },
};

const noPanic = { common_lb_config: { healthy_panic_threshold: { value: 0 } } };

/** A cluster whose ejected hosts stay out for as long as a case lasts, unless it says otherwise. */
export const watched = (
  detection: JsonObject,
  endpoints: readonly JsonObject[] = [endpoint("main")],
  extra: JsonObject = {},
): JsonObject =>
  cluster("main", {
    load_assignment: { cluster_name: "{case}-main", endpoints: [{ lb_endpoints: endpoints }] },
    outlier_detection: { max_ejection_percent: 100, ...detection },
    ...noPanic,
    ...extra,
  });

/** Everything goes to that cluster. */
export const watching = (
  detection: JsonObject,
  endpoints?: readonly JsonObject[],
  extra?: JsonObject,
): CaseConfig =>
  http({
    clusters: [
      watched(detection, endpoints, extra),
      // The upstreams get no clusters of their own.
      ...fiveNames.map((name) => ({
        ...cluster("main"),
        name: `{case}-${name}`,
        load_assignment: { cluster_name: "x" },
      })),
    ],
  });

export const fiveNames: readonly string[] = ["one", "two", "three", "four", "five"];
export const fiveEndpoints: readonly JsonObject[] = fiveNames.map((name) => endpoint(name));

/** Four upstreams that are well, and one that is not. */
export const oneBad = (bad: Script): Readonly<Record<string, Script>> =>
  Object.fromEntries(fiveNames.map((name) => [name, name === "five" ? bad : always(200)]));

/** Asks one after another; the answers' statuses. */
export async function ask(t: CaseContext, ...paths: readonly string[]): Promise<readonly number[]> {
  const statuses: number[] = [];
  for (const path of paths) statuses.push((await t.get(path)).status);
  return statuses;
}

/** A gRPC call that ends with its head. */
export async function callGrpc(t: CaseContext, path: string): Promise<Response> {
  const fields = ["content-type: application/grpc", "te: trailers", "content-length: 0"];
  return t.send([`POST ${path} HTTP/1.1`, "host: host.test", ...fields, "", ""].join("\r\n"));
}

/** Waits until the cluster's counters below `outlier_detection.ejections_` have these values. */
export async function ejections(
  t: CaseContext,
  expected: Readonly<Record<string, number>>,
): Promise<void> {
  await t.stats(
    Object.fromEntries(
      Object.entries(expected).map(([name, value]) => [
        `cluster.{case}-main.outlier_detection.ejections_${name}`,
        value,
      ]),
    ),
  );
}

/** Goes on with `act` until the cluster's counter is at least `least`. */
export async function until(
  t: CaseContext,
  name: string,
  act: () => Promise<unknown>,
  least = 1,
): Promise<void> {
  await t.eventually(async () => {
    await act();
    const value = await t.stat(`cluster.{case}-main.outlier_detection.ejections_${name}`);
    assert.ok((value ?? 0) >= least, `${name}: ${value}`);
  });
}

/** Two requests for each of the five hosts, at the same time: they are of one interval even where each takes long. */
export const round = (t: CaseContext): Promise<unknown> =>
  Promise.all([...fiveNames, ...fiveNames].map(() => t.get("/")));

/** Asks until nobody is left to answer: workers hear of an ejection a moment after it was counted. */
export async function isOut(t: CaseContext): Promise<void> {
  await t.eventually(async () => assert.deepEqual(await ask(t, "/"), [503]));
}

/** Asks until a host answers. */
export async function isBack(t: CaseContext, status = 200): Promise<void> {
  await t.eventually(async () => assert.deepEqual(await ask(t, `/${status}`), [status]));
}

const logFolder = mkdtempSync(join(tmpdir(), "parity-outlier-events-"));
process.once("exit", () => rmSync(logFolder, { recursive: true, force: true }));
const logPath = join(logFolder, "events.log");

/** The bootstrap of an area whose cases share one event log. */
export const withEventLog: JsonObject = {
  cluster_manager: { outlier_detection: { event_log_path: logPath } },
};

export interface EjectionEvent {
  readonly type: string;
  readonly timestamp: string;
  readonly action: string;
  readonly cluster_name: string;
  readonly upstream_url: string;
  readonly num_ejections: number;
  readonly [name: string]: unknown;
}

/** The events of the case's cluster and of this upstream's host (or port), once there are so many. */
export async function events(
  t: CaseContext,
  options: { readonly count?: number; readonly port?: number; readonly type?: string } = {},
): Promise<readonly EjectionEvent[]> {
  const { count = 1, port = t.upstream().port, type } = options;
  return t.eventually(async () => {
    const lines = existsSync(logPath) ? readFileSync(logPath, "utf8").split("\n").slice(0, -1) : [];
    const found = lines
      .map((line) => JSON.parse(line) as EjectionEvent)
      .filter(
        (event) =>
          event.cluster_name === t.fill("{case}-main") &&
          event.upstream_url === `127.0.0.1:${port}` &&
          (type === undefined || event.type === type),
      );
    assert.ok(found.length >= count, `${found.length} of ${count} events`);
    return found;
  });
}

/** What is the same in each run. */
export function told(event: EjectionEvent | undefined): object {
  const {
    timestamp,
    cluster_name: _cluster,
    upstream_url: _url,
    ...rest
  } = event ?? {
    timestamp: "",
  };
  assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  return rest;
}

/** How long the ejections in a log lasted, in milliseconds. */
export function durations(log: readonly EjectionEvent[]): readonly number[] {
  const found: number[] = [];
  let beganMs: number | undefined;
  for (const { action, timestamp } of log) {
    const ms = Date.parse(timestamp);
    if (action === "EJECT") beganMs = ms;
    else if (beganMs !== undefined) found.push(ms - beganMs);
  }
  return found;
}

/** The values that /clusters shows of the case's cluster, by what follows its name. */
export async function clusterFacts(t: CaseContext): Promise<Readonly<Record<string, string>>> {
  const { body } = await t.admin("/clusters?filter=^{case}-main$");
  const name = t.fill("{case}-main::");
  return Object.fromEntries(
    body
      .split("\n")
      .filter((line) => line.startsWith(name))
      .map((line) => {
        const rest = line.slice(name.length);
        const at = rest.lastIndexOf("::");
        return [rest.slice(0, at), rest.slice(at + 2)];
      }),
  );
}

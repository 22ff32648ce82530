import { ConfigError } from "#lib/config-error.ts";
import type { ExplainDump } from "#pilot/explain-dump.ts";
import { dataExit, usageExit } from "../flags.ts";
import { ApiError, findServer } from "../objects/api-client.ts";
import type { UrlAndHeaders } from "../offline/call-url.ts";
import { explained } from "../offline/explained.ts";
import { explainedText } from "../offline/explained-text.ts";
import type { OfflineIo } from "../offline-io.ts";
import { liveCall } from "./live-call.ts";
import { liveSimulation } from "./live-simulation.ts";
import { findProxies, member, PilotDebug } from "./pilot-debug.ts";

export interface ExplainLive extends UrlAndHeaders {
  /** Who calls: a proxy's node id or name, a service, a gateway. */
  readonly proxy: string;
  readonly server: string | undefined;
  readonly format: "text" | "json";
}

/** What happens to a call of a proxy that runs: by what its control plane has sent it. Resolves with the exit code. */
export async function explainLive(live: ExplainLive, io: OfflineIo): Promise<number> {
  const { terminal } = io;
  const say = (text: string): unknown => terminal.stderr.write(`heddle explain: ${text}\n`);
  try {
    const server = findServer({
      flag: live.server,
      environment: terminal.environment,
      folder: process.cwd(),
    });
    const debug = new PilotDebug(server);
    const proxies = await debug.proxies();
    const found = findProxies(proxies, live.proxy);
    const [proxy] = found;
    if (proxy === undefined) {
      say(`no proxy is called ${live.proxy}; ${listOf(proxies.map(({ nodeId }) => nodeId))}`);
      return 1;
    }
    const dump = dumpOf(await debug.explain(proxy.nodeId));
    if (dump === undefined) {
      say(`the control plane at ${server} is of another version: its /debug/explainz is unknown`);
      return 1;
    }
    if (found.length > 1) say(`${proxy.nodeId}, the first of ${found.length} that fit`);
    return answer(live, dump, io);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    say(error.message);
    return 1;
  }
}

function answer(live: ExplainLive, dump: ExplainDump, { terminal }: OfflineIo): number {
  const read = liveCall(live, dump);
  if ("problems" in read) {
    for (const problem of read.problems) terminal.stderr.write(`heddle explain: ${problem}\n`);
    return usageExit;
  }
  try {
    const result = explained(liveSimulation(dump).run(read.call));
    terminal.stdout.write(
      live.format === "json"
        ? `${JSON.stringify(result, undefined, 2)}\n`
        : `${dump.node.id}\n${explainedText(read.call, result)}`,
    );
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    terminal.stdout.write(`the proxy would refuse its configuration: ${error.message}\n`);
    return dataExit;
  }
}

function dumpOf(answered: unknown): ExplainDump | undefined {
  const lists = ["listeners", "routes", "clusters"].map((name) => member(answered, name));
  if (!lists.every((list) => Array.isArray(list))) return undefined;
  // Proof: the lists that only this page has are there.
  return answered as ExplainDump;
}

const namesMax = 20;

function listOf(ids: readonly string[]): string {
  if (ids.length === 0) return "none is connected";
  const more = ids.length > namesMax ? `, and ${ids.length - namesMax} more` : "";
  const names = ids.slice(0, namesMax).map((id) => id.split("~")[2] ?? id);
  return `connected are ${names.join(", ")}${more}`;
}

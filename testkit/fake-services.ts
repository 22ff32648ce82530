import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import { Timers } from "#lib/timers.ts";
import type { AccessLogSink } from "#proxy/access-log/sinks.ts";
import { DnsCaches } from "#proxy/dns-cache/dns-caches.ts";
import { ExtensionConfigs } from "#proxy/filters/extension-configs.ts";
import { Health } from "#proxy/health.ts";
import { ConnectionCounts } from "#proxy/overload/connection-counts.ts";
import { WorkerOverload } from "#proxy/overload/worker-overload.ts";
import { RouteConfigs } from "#proxy/route/route-configs.ts";
import { ScopedRoutes } from "#proxy/route/scoped-routes.ts";
import type { Runtime } from "#proxy/runtime.ts";
import type { Services } from "#proxy/services.ts";
import { WorkerStats } from "#proxy/stats/worker-stats.ts";
import { SecretStore } from "#proxy/tls/secrets.ts";
import { FakeClock } from "./fake-clock.ts";
import { emptyRuntime } from "./picker-suite.ts";
import { seededRandom } from "./seeded-random.ts";

const nowhere: AccessLogSink = { write: () => undefined };

/** A worker's services without a worker; log lines are dropped. Clusters and log sinks are empty. */
export function fakeServices(
  parts: { readonly clock?: Clock; readonly random?: Random; readonly runtime?: Runtime } = {},
): Services {
  const { clock = new FakeClock(), random = seededRandom(1), runtime = emptyRuntime } = parts;
  const timers = new Timers(clock);
  return {
    clock,
    timers,
    random,
    runtime,
    stats: new WorkerStats(() => undefined),
    clusters: { get: () => undefined, declares: () => false, all: [] },
    logSinks: {
      file: () => nowhere,
      stdout: nowhere,
      stderr: nowhere,
      reopen: () => undefined,
      flush: () => undefined,
    },
    secrets: new SecretStore(),
    tlsContexts: new Set(),
    scopedRoutes: new ScopedRoutes(),
    extensions: new ExtensionConfigs(),
    routeConfigs: new RouteConfigs(),
    dnsCaches: new DnsCaches(),
    workerIndex: 0,
    sharedSlots: undefined,
    ticketSecret: new Uint8Array(32),
    node: { id: "node", cluster: "cluster", hostname: "host", zone: "" },
    health: new Health(),
    overload: new WorkerOverload({ random, timers }),
    connectionCounts: new ConnectionCounts(ConnectionCounts.allocate(8)),
    reportOutlier: () => undefined,
    reportImmediateFailure: () => undefined,
    log: () => undefined,
  };
}

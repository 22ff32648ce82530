import { systemClock } from "#lib/clock.ts";
import { systemRandom } from "#lib/random.ts";
import { Timers } from "#lib/timers.ts";
import type { AccessLogSink } from "../access-log/sinks.ts";
import { DnsCaches } from "../dns-cache/dns-caches.ts";
import { ExtensionConfigs } from "../filters/extension-configs.ts";
import { Health } from "../health.ts";
import { ConnectionCounts } from "../overload/connection-counts.ts";
import { WorkerOverload } from "../overload/worker-overload.ts";
import { RouteConfigs } from "../route/route-configs.ts";
import { ScopedRoutes } from "../route/scoped-routes.ts";
import type { Runtime } from "../runtime.ts";
import type { Services } from "../services.ts";
import { WorkerStats } from "../stats/worker-stats.ts";
import { SecretStore } from "../tls/secrets.ts";

const nowhere: AccessLogSink = { write: () => undefined };

const noOverrides: Runtime = {
  number: (_key, absent) => absent,
  boolean: (_key, absent) => absent,
  featureEnabled: (_key, numerator, denominator, draw) => draw * denominator < numerator,
};

/** What configuration is compiled with when nothing runs: nothing is counted for long, logged or opened. */
export function idleServices(): Services {
  const timers = new Timers(systemClock);
  return {
    clock: systemClock,
    timers,
    random: systemRandom,
    runtime: noOverrides,
    stats: new WorkerStats(() => undefined),
    clusters: { get: () => undefined, declares: () => true, all: [] },
    logSinks: {
      file: () => nowhere,
      stdout: nowhere,
      stderr: nowhere,
      reopen: () => undefined,
      flush: () => undefined,
    },
    secrets: new SecretStore(),
    routeConfigs: new RouteConfigs(),
    scopedRoutes: new ScopedRoutes(),
    extensions: new ExtensionConfigs(),
    tlsContexts: new Set(),
    dnsCaches: new DnsCaches(),
    workerIndex: 0,
    sharedSlots: undefined,
    ticketSecret: new Uint8Array(32),
    node: { id: "", cluster: "", hostname: "", zone: "" },
    health: new Health(),
    overload: new WorkerOverload({ random: systemRandom, timers }),
    connectionCounts: new ConnectionCounts(ConnectionCounts.allocate(0)),
    reportOutlier: () => undefined,
    reportImmediateFailure: () => undefined,
    log: () => undefined,
  };
}

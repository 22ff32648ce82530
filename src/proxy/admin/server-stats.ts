import type { AdminContext } from "./page.ts";

/** Envoy's numbers of a server's states. */
const states: Readonly<Record<string, number>> = {
  LIVE: 0,
  DRAINING: 1,
  PRE_INITIALIZING: 2,
  INITIALIZING: 3,
};

/** What Envoy shows when there is no certificate that could expire. */
const never = 2 ** 32 - 1;

/** Server-wide stats that are known when somebody looks, and not before. */
export function updateServerStats({
  source,
  startedWallMs,
}: Pick<AdminContext, "source" | "startedWallMs">): void {
  const { stats } = source;
  const server = stats.own.scope("server.");
  server.gauge("state").set(states[source.state] ?? 0);
  server.gauge("live").set(source.state === "LIVE" ? 1 : 0);
  server.gauge("uptime").set(Math.floor(source.uptimeMs / 1000));
  server.gauge("version").set(versionNumber(source.version));
  server.gauge("parent_connections").set(0);
  let connections = 0;
  let firstExpiry = Number.POSITIVE_INFINITY;
  for (const { name, value } of stats.gauges()) {
    if (isListenerConnections(name)) connections += value;
    else if (name.endsWith(".expiration_unix_time_seconds"))
      firstExpiry = Math.min(firstExpiry, value);
  }
  server.gauge("total_connections").set(connections);
  server
    .gauge("days_until_first_cert_expiring")
    .set(daysUntil(firstExpiry, startedWallMs + source.uptimeMs));
  const runtime = stats.own.scope("runtime.");
  const { layers, entries } = source.runtime();
  runtime.gauge("num_layers").set(layers.length);
  runtime.gauge("num_keys").set(Object.keys(entries).length);
}

/** Whole days; 0 for what has expired. */
function daysUntil(unixSeconds: number, nowMs: number): number {
  if (unixSeconds === Number.POSITIVE_INFINITY) return never;
  return Math.max(0, Math.floor((unixSeconds - nowMs / 1000) / 86_400));
}

/** `listener.<address>.downstream_cx_active`, without the workers' shares in it and without the admin port's own. */
function isListenerConnections(name: string): boolean {
  return (
    name.startsWith("listener.") &&
    name.endsWith(".downstream_cx_active") &&
    !/\.worker_\d+\.downstream_cx_active$/.test(name) &&
    !name.startsWith("listener.admin.")
  );
}

/** 1.2.3 is 1002003. */
function versionNumber(version: string): number {
  const [, major = "0", minor = "0", patch = "0"] = /(\d+)\.(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(major) * 1e6 + Number(minor) * 1e3 + Number(patch);
}

import assert from "node:assert/strict";
import type { CaseConfig, JsonObject } from "./config.ts";
import { extension, fileAccessLog, listener } from "./config.ts";
import type { CaseContext } from "./context.ts";

export const filter = (name: string, type: string, config: JsonObject = {}): JsonObject =>
  extension(
    `envoy.filters.listener.${name}`,
    `envoy.extensions.filters.listener.${name}.v3.${type}`,
    config,
  );
export const toEcho: JsonObject = extension(
  "envoy.filters.network.tcp_proxy",
  "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
  { stat_prefix: "{case}", cluster: "{case}-main" },
);

/** A listener that sends everything to an echoing upstream, and what its log says. */
export const echoing = (
  filters: readonly JsonObject[],
  format: string,
  extra: JsonObject = {},
): CaseConfig => ({
  listeners: [
    listener([toEcho], {
      listener_filters: filters,
      access_log: [fileAccessLog(format)],
      ...extra,
    }),
  ],
});

export const text = (bytes: Buffer): string => bytes.toString("latin1");
export const addresses = "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS%";

/** Sends the pieces, expects `payload` back, and returns the log line. */
export async function passes(
  t: CaseContext,
  pieces: readonly string[],
  payload: string,
): Promise<string> {
  const client = await t.connect();
  await client.write(...pieces);
  await client.readThrough(payload);
  client.end();
  return t.logLine();
}

/** Sends the pieces and expects the connection to be dropped without an answer; returns the log line. */
export async function refused(t: CaseContext, pieces: readonly string[]): Promise<string> {
  const client = await t.connect();
  await client.write(...pieces);
  await client.ended();
  assert.equal(client.received, "");
  return t.logLine();
}

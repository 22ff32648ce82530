import type { ResponseHead } from "#http/message.ts";
import type { Clock } from "#lib/clock.ts";
import type { AccessLog } from "../access-log/access-log.ts";
import { type DownstreamInfo, StreamInfo } from "../stream-info.ts";
import type { AdminExchange } from "./connection.ts";

/** A line in every one of `admin.access_log` for an answered request. */
export function logExchange(
  logs: readonly AccessLog[],
  { connection, head, requestBytes, startWallMs, startMs }: AdminExchange,
  {
    response,
    bodyBytes,
    clock,
  }: {
    readonly response: ResponseHead;
    readonly bodyBytes: number;
    readonly clock: Clock;
  },
): void {
  const downstream: DownstreamInfo = {
    connectionId: connection.id,
    local: connection.local,
    directLocal: connection.local,
    remote: connection.remote,
    directRemote: connection.remote,
    tls: connection.tls,
    requestedServerName: undefined,
    listenerName: "",
    filterChainName: "",
    listenerMetadata: undefined,
  };
  const info = new StreamInfo(downstream, startWallMs, startMs);
  info.protocol = head?.version ?? 11;
  info.requestHead = head;
  info.responseHead = response;
  info.responseCode = response.status;
  // Envoy's word for what its admin filter answers.
  info.responseCodeDetails = "admin_filter_response";
  info.bytesReceived = requestBytes;
  info.bytesSent = bodyBytes;
  info.requestEndMs = startMs;
  info.responseStartMs = clock.monotonicMs();
  info.responseEndMs = info.responseStartMs;
  info.endMs = info.responseStartMs;
  for (const log of logs) log.log(info);
}

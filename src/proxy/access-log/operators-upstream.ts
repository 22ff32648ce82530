import { versionName } from "#http/message.ts";
import { addressText } from "#net/address.ts";
import type { StreamInfo, UpstreamHostInfo } from "../stream-info.ts";
import { never, number, type OperatorTable, some, text } from "./operator.ts";

const withoutPort = (name: string | undefined): string | undefined => {
  if (name === undefined) return undefined;
  const colon = name.lastIndexOf(":");
  return colon < 0 ? name : name.slice(0, colon);
};

/** The endpoint's configured host name; Envoy gives the address when there is none. */
const nameOf = (host: UpstreamHostInfo | undefined): string | undefined =>
  host === undefined ? undefined : host.hostname === "" ? host.addressText : host.hostname;

function attempted(
  info: StreamInfo,
  read: (host: UpstreamHostInfo) => string | undefined,
): string | undefined {
  const hosts =
    info.upstreamHostsAttempted ?? (info.upstreamHost === undefined ? [] : [info.upstreamHost]);
  return hosts.length === 0 ? undefined : hosts.map((host) => read(host) ?? "").join(",");
}

const attemptedText =
  (read: (host: UpstreamHostInfo) => string | undefined) =>
  (info: StreamInfo): string | undefined =>
    attempted(info, read);

export const upstreamOperators: OperatorTable = {
  UPSTREAM_PROTOCOL: text((i) =>
    i.upstreamProtocol === undefined ? undefined : versionName(i.upstreamProtocol),
  ),
  UPSTREAM_HOST: text((i) => i.upstreamHost?.addressText),
  UPSTREAM_HOST_NAME: text((i) => nameOf(i.upstreamHost)),
  UPSTREAM_HOST_NAME_WITHOUT_PORT: text((i) => withoutPort(nameOf(i.upstreamHost))),
  UPSTREAM_HOSTS_ATTEMPTED: text(attemptedText((host) => host.addressText)),
  UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT: text(attemptedText((host) => host.address.ip)),
  UPSTREAM_HOST_NAMES_ATTEMPTED: text(attemptedText(nameOf)),
  UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT: text(attemptedText((h) => withoutPort(nameOf(h)))),
  UPSTREAM_CLUSTER: text((i) => some(i.clusterName)),
  UPSTREAM_CLUSTER_RAW: text((i) => some(i.clusterName)),
  UPSTREAM_LOCAL_ADDRESS: text((i) =>
    i.upstreamLocal === undefined ? undefined : addressText(i.upstreamLocal),
  ),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: text((i) => i.upstreamLocal?.ip),
  UPSTREAM_LOCAL_PORT: number((i) => portOf(i.upstreamLocal)),
  UPSTREAM_REMOTE_ADDRESS: text((i) => i.upstreamHost?.addressText),
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: text((i) => i.upstreamHost?.address.ip),
  UPSTREAM_REMOTE_PORT: number((i) => portOf(i.upstreamHost?.address)),
  UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID: text((i) => (i.upstreamHost === undefined ? undefined : "")),
  UPSTREAM_TRANSPORT_FAILURE_REASON: text((i) => some(i.upstreamTransportFailureReason)),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: number((i) => i.attemptCount),
  UPSTREAM_CONNECTION_ID: number((i) => i.upstreamConnectionId),
  UPSTREAM_CONNECTION_IDS_ATTEMPTED: text((i) =>
    i.upstreamConnectionId === 0 ? undefined : String(i.upstreamConnectionId),
  ),
  UPSTREAM_DETECTED_CLOSE_TYPE: text((i) => (i.upstreamHost === undefined ? undefined : "Normal")),
  UPSTREAM_LOCAL_CLOSE_REASON: never(),
};

function portOf(address: UpstreamHostInfo["address"] | undefined): number | undefined {
  return address === undefined || address.family === "pipe" ? undefined : address.port;
}

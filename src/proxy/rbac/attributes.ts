import { type RequestHead, versionName } from "#http/message.ts";
import { addressText } from "#net/address.ts";
import type { StreamInfo } from "../stream-info.ts";
import type { Value } from "./condition.ts";

type Attribute = (info: StreamInfo, head: RequestHead | undefined) => Value;

/** Envoy's CEL attributes of a request and its connection. */
const attributes: Readonly<Record<string, Attribute>> = {
  "request.path": (_info, head) => head?.path,
  "request.url_path": (_info, head) => head?.path.split("?")[0],
  "request.query": (_info, head) => {
    const at = head?.path.indexOf("?") ?? -1;
    return at === -1 ? "" : head?.path.slice(at + 1);
  },
  "request.host": (_info, head) => head?.authority,
  "request.scheme": (_info, head) => head?.scheme,
  "request.method": (_info, head) => head?.method,
  "request.headers": (_info, head) => headersOf(head),
  "request.referer": (_info, head) => head?.headers.get("referer"),
  "request.useragent": (_info, head) => head?.headers.get("user-agent"),
  "request.id": (_info, head) => head?.headers.get("x-request-id"),
  "request.protocol": (info) =>
    info.protocol === undefined ? undefined : versionName(info.protocol),
  "source.address": (info) => addressText(info.downstream.remote),
  "source.port": (info) => info.downstream.remote.port,
  "destination.address": (info) => addressText(info.downstream.local),
  "destination.port": (info) => info.downstream.local.port,
  "connection.requested_server_name": (info) => info.downstream.requestedServerName,
  "connection.tls_version": (info) => info.downstream.tls?.version,
  "connection.mtls": (info) => info.downstream.tls?.peerPresented ?? false,
  "connection.id": (info) => info.downstream.connectionId,
  "connection.uri_san_peer_certificate": (info) => info.downstream.tls?.peerUriSans[0],
  "connection.dns_san_peer_certificate": (info) => info.downstream.tls?.peerDnsSans[0],
  "connection.subject_peer_certificate": (info) => info.downstream.tls?.peerSubject,
};

export function attribute(path: string): Attribute | undefined {
  return Object.hasOwn(attributes, path) ? attributes[path] : undefined;
}

function headersOf(head: RequestHead | undefined): ReadonlyMap<string, Value> {
  const map = new Map<string, Value>();
  if (head === undefined) return map;
  for (const name of [":path", ":method", ":authority", ":scheme"]) map.set(name, head.get(name));
  for (const [name, value] of head.headers) {
    const before = map.get(name);
    map.set(name, typeof before === "string" ? `${before},${value}` : value);
  }
  return map;
}

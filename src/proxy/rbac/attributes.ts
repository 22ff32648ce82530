import { type RequestHead, versionName } from "#http/message.ts";
import { addressText } from "#net/address.ts";
import { pathEnd } from "../matching/path-matcher.ts";
import type { StreamInfo } from "../stream-info.ts";
import { Instant, type Value } from "./values.ts";

export type Attribute = (info: StreamInfo, head: RequestHead | undefined) => Value;

/** Envoy's CEL attributes of a request and its connection; there is no response yet. */
const attributes: Readonly<Record<string, Attribute>> = {
  "request.path": (_info, head) => head?.path,
  "request.url_path": (_info, head) => head?.path.slice(0, pathEnd(head.path)),
  "request.query": (_info, head) => queryOf(head),
  "request.host": (_info, head) => head?.authority,
  "request.scheme": (_info, head) => head?.scheme,
  "request.method": (_info, head) => head?.method,
  "request.headers": (_info, head) => head,
  "request.referer": (_info, head) => head?.headers.get("referer"),
  "request.useragent": (_info, head) => head?.headers.get("user-agent"),
  "request.id": (_info, head) => head?.headers.get("x-request-id"),
  "request.time": (info) => new Instant(info.startWallMs),
  "request.size": (info, head) => sizeOf(info, head),
  "request.protocol": (info) =>
    info.protocol === undefined ? undefined : versionName(info.protocol),
  "source.address": (info) => addressText(info.remote),
  "source.port": (info) => BigInt(info.remote.port),
  "destination.address": (info) => addressText(info.downstream.local),
  "destination.port": (info) => BigInt(info.downstream.local.port),
  "connection.requested_server_name": (info) => info.downstream.requestedServerName ?? "",
  "connection.tls_version": (info) => info.downstream.tls?.version,
  "connection.mtls": (info) => info.downstream.tls?.peerPresented ?? false,
  "connection.id": (info) => BigInt(info.downstream.connectionId),
  "connection.uri_san_peer_certificate": (info) => info.downstream.tls?.peerUriSans[0],
  "connection.dns_san_peer_certificate": (info) => info.downstream.tls?.peerDnsSans[0],
  "connection.subject_peer_certificate": (info) => info.downstream.tls?.peerSubject,
  "metadata.filter_metadata": (info) => info.dynamicMetadata ?? {},
  "response.code": () => undefined,
};

export function attribute(path: string): Attribute | undefined {
  return Object.hasOwn(attributes, path) ? attributes[path] : undefined;
}

function queryOf(head: RequestHead | undefined): string | undefined {
  if (head === undefined) return undefined;
  const question = head.path.indexOf("?");
  if (question === -1) return "";
  const fragment = head.path.indexOf("#", question);
  return head.path.slice(question + 1, fragment === -1 ? undefined : fragment);
}

/** What it says of itself, else what came so far. */
function sizeOf(info: StreamInfo, head: RequestHead | undefined): Value {
  const length = head?.headers.get("content-length");
  return BigInt(length !== undefined && /^\d+$/.test(length) ? length : info.bytesReceived);
}

import { HeaderList } from "#http/headers.ts";
import { RequestHead } from "#http/message.ts";
import { ipAddress } from "#net/address.ts";
import type { TlsInfo } from "#net/connection.ts";
import type { Route, RouteInput } from "../route/route.ts";
import type { Answer, Call, SentRequest } from "../simulated-call.ts";
import { StreamInfo } from "../stream-info.ts";

/** The call as the route table sees it. */
export function requestOf(call: Call): RouteInput {
  const scheme = call.tls === "plaintext" ? "http" : "https";
  const fields = call.headers.flatMap(([name, value]) => [name.toLowerCase(), value]);
  const headers = new HeaderList(fields);
  // What the connection manager adds before the route is looked for.
  if (!headers.has("x-forwarded-proto")) headers.set("x-forwarded-proto", scheme);
  const version = call.protocol === "http2" ? 20 : 11;
  const head = new RequestHead(call.method, call.path, call.hostHeader, version, headers);
  head.scheme = scheme;
  return { head, info: streamOf(call), draw: 0 };
}

function streamOf(call: Call): StreamInfo {
  const local = ipAddress(call.address, call.port);
  const remote = ipAddress("192.0.2.1", 50_000);
  return new StreamInfo(
    {
      connectionId: 0,
      local,
      directLocal: local,
      remote,
      directRemote: remote,
      tls: call.tls === "plaintext" ? undefined : tlsOf(call),
      requestedServerName: call.sni === "" ? undefined : call.sni,
      listenerName: "",
      filterChainName: "",
      listenerMetadata: undefined,
    },
    0,
    0,
  );
}

function tlsOf(call: Call): TlsInfo {
  const presented = call.tls === "mtls";
  return {
    version: "TLSv1.3",
    cipher: "",
    group: "",
    sni: call.sni,
    alpn: call.alpn,
    sessionReused: false,
    sessionId: "",
    peerPresented: presented,
    peerValidated: presented,
    peer: undefined,
    peerChain: [],
    local: undefined,
    peerUriSans: [],
    peerDnsSans: [],
    peerSubject: "",
    localUriSans: [],
    localSubject: "",
  };
}

export function answerOf(route: Route, { head, info }: RouteInput): { readonly answer?: Answer } {
  switch (route.kind) {
    case "redirect":
      return { answer: { status: route.status, location: route.location(head, info) } };
    case "direct":
      return {
        answer: {
          status: route.status,
          ...(route.body === undefined ? {} : { body: route.body }),
        },
      };
    default:
      return {};
  }
}

/** Changes `input.head`: the last that is done with it. */
export function sentRequest(
  route: Route,
  { head, info }: RouteInput,
): { readonly sent?: SentRequest } {
  if (route.kind !== "forward") return {};
  if (route.headers?.changesRequest === true) route.headers.request(head, info);
  route.rewrite?.(head, info);
  const { list } = head.headers;
  const headers: [string, string][] = [];
  for (let at = 0; at + 1 < list.length; at += 2) {
    headers.push([list[at] ?? "", list[at + 1] ?? ""]);
  }
  return { sent: { host: head.authority, path: head.path, headers } };
}

/** Calls as programs make them: through the sidecar's HTTP proxy, at ports of its own, or from outside at a gateway. */
import { once } from "node:events";
import { type ClientRequest, request } from "node:http";
import { connect, type Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { authorityOf, type ExpectedCall, type Target, targetOf } from "./cases.ts";
import { callHeader, type Seen, type Upstreams } from "./upstreams.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where a proxy listens. */
export interface Entrances {
  /** Of the sidecar. */
  readonly httpProxy: Address;
  /** Of the sidecar, for one port of one host. */
  outbound(host: string, port: number): Address;
  gateway(port: number): Address;
}

export interface Outcome {
  /** 0: of TCP, or no answer. */
  readonly status: number;
  /** The workload that answered. */
  readonly from: string | undefined;
  /** What it saw. */
  readonly seen: Seen | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Workloads that saw the request, in order. */
  readonly visits: readonly string[];
  readonly elapsedMs: number;
  /** Names in the server's certificate. */
  readonly certificate: string | undefined;
  readonly closed: boolean;
}

let calls = 0;

export async function makeCall(
  expected: ExpectedCall,
  entrances: Entrances,
  upstreams: Upstreams,
): Promise<Outcome> {
  const target = targetOf(expected);
  const call = `call-${calls++}`;
  const began = performance.now();
  const answer = await answerOf(expected, { target, call, entrances });
  const elapsedMs = performance.now() - began;
  const visits = upstreams.seen(call);
  const copies = expected.copies ?? [];
  await upstreams.arrived(call, copies);
  const from = answer.headers["x-upstream"] ?? answer.name;
  const seen = visits.findLast((visit) => visit.from === from) ?? seenIn(answer.body);
  return {
    ...answer,
    from: from ?? seen?.from,
    seen,
    visits: visits.map((visit) => visit.from),
    elapsedMs,
  };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly certificate: string | undefined;
  readonly closed: boolean;
  /** Of a TCP server. */
  readonly name: string | undefined;
}

interface Calling {
  readonly target: Target;
  readonly call: string;
  readonly entrances: Entrances;
}

function answerOf(
  { via = "sidecar", headers = {} }: ExpectedCall,
  { target, call, entrances }: Calling,
): Promise<Answer> {
  const fields = { ...headers, host: authorityOf(target), [callHeader]: call };
  const { scheme, method, host, port, path } = target;
  if (scheme === "tcp" || scheme === "tls") {
    const to = via === "gateway" ? entrances.gateway(port) : entrances.outbound(host, port);
    return scheme === "tcp" ? tcpAnswer(to) : tlsAnswer({ to, servername: host, fields, path });
  }
  if (via === "sidecar") {
    const url = `${scheme}://${authorityOf(target)}${path}`;
    return httpAnswer({ to: entrances.httpProxy, method, path: url, fields });
  }
  const to = entrances.gateway(port);
  return scheme === "https"
    ? tlsAnswer({ to, servername: host, fields, path })
    : httpAnswer({ to, method, path, fields });
}

interface Asking {
  readonly to: Address;
  readonly path: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** A proxy that says nothing for so long never will: the call counts as closed. */
const patienceMs = 30_000;

async function httpAnswer(asking: Asking & { readonly method: string }): Promise<Answer> {
  const { to, method, path, fields } = asking;
  const signal = AbortSignal.timeout(patienceMs);
  return read(request({ ...to, method, path, headers: fields, agent: false, signal }));
}

/** TLS by the name, then a request. */
async function tlsAnswer(asking: Asking & { readonly servername: string }): Promise<Answer> {
  const { to, servername, fields, path } = asking;
  const socket = connectTls({ ...to, servername, rejectUnauthorized: false });
  const signal = AbortSignal.timeout(patienceMs);
  const answer = await read(
    request({ path, headers: fields, createConnection: () => socket, signal }),
    socket,
  );
  socket.destroy();
  return answer;
}

async function read(outgoing: ClientRequest, socket?: TLSSocket): Promise<Answer> {
  outgoing.end();
  try {
    const [incoming] = await once(outgoing, "response");
    const certificate = socket?.getPeerCertificate().subjectaltname;
    let body = "";
    for await (const piece of incoming.setEncoding("utf8")) body += piece;
    const headers = Object.fromEntries(
      Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
    );
    return { ...nothing, status: incoming.statusCode ?? 0, headers, body, certificate };
  } catch {
    return { ...nothing, closed: true };
  }
}

const nothing: Answer = {
  status: 0,
  headers: {},
  body: "",
  certificate: undefined,
  closed: false,
  name: undefined,
};

async function tcpAnswer(to: Address): Promise<Answer> {
  const socket: Socket = connect(to);
  let text = "";
  socket.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  socket.setTimeout(patienceMs, () => socket.destroy(new Error("no answer"))).write("hello\n");
  try {
    await once(socket, "end");
  } catch {
    // A reset says the same as an empty answer.
  }
  socket.destroy();
  const name = text.trim() || undefined;
  return { ...nothing, body: text, closed: name === undefined, name };
}

/** A workload behind TLS that the proxy did not look into saw no header of the proxy's. */
function seenIn(body: string): Seen | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null && "from" in value
      ? (value as Seen)
      : undefined;
  } catch {
    return undefined;
  }
}

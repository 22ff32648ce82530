import { once } from "node:events";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { Authority, type Issued } from "../../../testkit/pki.ts";
import { RawClient, type Response } from "../../../testkit/raw-client.ts";
import {
  type CaseConfig,
  connectionManager,
  extension,
  type HttpOptions,
  listener,
} from "./config.ts";
import { type CaseContext, get } from "./context.ts";
import type { JsonObject } from "./placeholders.ts";

const hourMs = 3_600_000;

/** The certificates of all TLS cases. */
export const authority: Authority = await Authority.create();
const stranger = await Authority.create("CN=Other CA");
const middle = await authority.intermediate();

export const certificates: Readonly<
  Record<
    "a" | "b" | "rsa" | "client" | "revoked" | "expired" | "stranger" | "deep" | "nameless",
    Issued
  >
> = {
  a: await authority.issue({
    subject: "CN=a,O=Org",
    dns: ["a.test"],
    uri: ["spiffe://td/ns/default/sa/a"],
  }),
  b: await authority.issue({ subject: "CN=b", dns: ["b.test", "*.w.test"] }),
  rsa: await authority.issue({ subject: "CN=rsa", dns: ["a.test"], kind: "rsa" }),
  client: await authority.issue({
    subject: "CN=client,OU=Unit,O=Org",
    dns: ["client.test", "*.wild.test"],
    uri: ["spiffe://td/ns/default/sa/client"],
    email: ["client@mail.test"],
    ip: ["10.0.0.1", "2001:db8::1"],
  }),
  revoked: await authority.issue({ subject: "CN=revoked", dns: ["client.test"] }),
  expired: await authority.issue({
    subject: "CN=expired",
    dns: ["client.test"],
    notBefore: new Date(Date.now() - 48 * hourMs),
    notAfter: new Date(Date.now() - 24 * hourMs),
  }),
  stranger: await stranger.issue({ subject: "CN=stranger", dns: ["client.test"] }),
  deep: await middle.issue({ subject: "CN=deep", dns: ["client.test"] }),
  nameless: await authority.issue({ subject: "CN=nameless.test" }),
};

export const intermediate: Authority = middle;
export const otherAuthority: Authority = stranger;
export const revocationList: string = await authority.revoke([certificates.revoked]);

export const inline = (text: string): JsonObject => ({ inline_string: text });

/** A `tls_certificates` entry. */
export const own = ({ certificate, key }: Issued): JsonObject => ({
  certificate_chain: inline(certificate),
  private_key: inline(key),
});

export const trust = (extra: JsonObject = {}): JsonObject => ({
  trusted_ca: inline(authority.certificate),
  ...extra,
});

interface ContextOptions {
  readonly certificates?: readonly Issued[];
  readonly validation?: JsonObject;
  /** Merged over the common context. */
  readonly common?: JsonObject;
  /** Merged over the whole context. */
  readonly context?: JsonObject;
}

const transportSocket = (
  kind: string,
  fallback: readonly Issued[],
  options: ContextOptions,
): JsonObject => {
  const shown = options.certificates ?? fallback;
  return extension(
    "envoy.transport_sockets.tls",
    `envoy.extensions.transport_sockets.tls.v3.${kind}`,
    {
      common_tls_context: {
        ...(shown.length > 0 ? { tls_certificates: shown.map(own) } : {}),
        ...(options.validation === undefined ? {} : { validation_context: options.validation }),
        ...options.common,
      },
      ...options.context,
    },
  );
};

/** A listener's transport socket; it shows `a` unless told otherwise. */
export const downstreamTls = (options: ContextOptions = {}): JsonObject =>
  transportSocket("DownstreamTlsContext", [certificates.a], options);

/** A cluster's transport socket. */
export const upstreamTls = (options: ContextOptions = {}): JsonObject =>
  transportSocket("UpstreamTlsContext", [], options);

/** A listener that asks its clients for a certificate. */
export const mutual = (validation: JsonObject = trust(), extra: JsonObject = {}): JsonObject =>
  downstreamTls({ validation, context: { require_client_certificate: true, ...extra } });

/** `http` over TLS. */
export const https = (
  socket: JsonObject,
  options: HttpOptions & { readonly chain?: JsonObject } = {},
): CaseConfig => ({
  listeners: [
    listener([], {
      filter_chains: [
        { filters: [connectionManager(options)], transport_socket: socket, ...options.chain },
      ],
      ...options.listener,
    }),
  ],
  clusters: options.clusters ?? [],
});

export interface SecureClient extends AsyncDisposable {
  readonly socket: TLSSocket;
  readonly client: RawClient;
}

const clientDefaults: ConnectionOptions = { ca: authority.certificate, servername: "a.test" };

/** The credentials of a client. */
export const as = ({ certificate, key }: Issued): ConnectionOptions => ({ cert: certificate, key });

/** Resolves when the client's side of the handshake is over; rejects when it fails. */
export async function secure(
  t: CaseContext,
  options: ConnectionOptions = {},
  listenerName = "main",
): Promise<SecureClient> {
  const socket = connect({ ...clientDefaults, ...t.address(listenerName), ...options });
  await once(socket, "secureConnect");
  return {
    socket,
    client: new RawClient(socket),
    [Symbol.asyncDispose]: async () => {
      socket.destroy();
    },
  };
}

/** `GET path` over TLS. */
export async function secureGet(
  t: CaseContext,
  path: string,
  options: ConnectionOptions = {},
): Promise<Response> {
  await using connection = await secure(t, options);
  return await connection.client.exchange(get(path));
}

/**
 * Resolves when the proxy refuses the client. In TLS 1.3 a client is done before its certificate is looked at, so it may think that it
 * is connected; what counts is that it gets no answer.
 */
export async function refused(t: CaseContext, options: ConnectionOptions = {}): Promise<void> {
  const socket = connect({ ...clientDefaults, ...t.address(), ...options });
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk;
  });
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.write(get("/"));
  await closed;
  if (answer !== "") throw new Error(`the client was answered: ${answer}`);
}

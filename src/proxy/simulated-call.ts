/** A call that nobody makes: what a client would do. */
export interface Call {
  /** Where the client dials to. */
  readonly address: string;
  readonly port: number;
  readonly protocol: "http" | "http2" | "tcp";
  readonly tls: "plaintext" | "tls" | "mtls";
  /** Of TLS calls; "": the client names none. */
  readonly sni: string;
  /** Of TLS calls, the one protocol that the client offers; "": none. */
  readonly alpn: string;
  /** Host or :authority; "": none. */
  readonly hostHeader: string;
  /** With its query. */
  readonly path: string;
  readonly method: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** `inbound`: to the workload, by way of its interception. `gateway`: to the proxy itself, no interception at all. */
  readonly callMode: "outbound" | "inbound" | "gateway";
}

export const callErrors = [
  "NoListener",
  "NoFilterChain",
  "MultipleFilterChain",
  "NoRoute",
  "NoVirtualHost",
  "TLSRedirect",
  "ProtocolError",
  "TLSError",
  "MTLSError",
] as const;

/** Why a call gets nowhere. `ProtocolError`: TCP, or TLS that the proxy does not end, where HTTP is expected. */
export type CallError = (typeof callErrors)[number];

/** What the proxy says by itself. */
export interface Answer {
  readonly status: number;
  /** Of a redirect. */
  readonly location?: string;
  readonly body?: string;
}

/** A request as the upstream gets it. */
export interface SentRequest {
  readonly host: string;
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

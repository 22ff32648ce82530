import type { HttpVersion } from "#http/message.ts";
import type { Address } from "#net/address.ts";
import type { ConnectCallbacks, ConnectOptions, PendingConnect } from "#net/connect.ts";
import { connect } from "#net/connect.ts";
import type { Host } from "../cluster/host.ts";
import type { UpstreamHttp } from "../cluster/upstream-http.ts";
import type { LazyHttp2Services } from "../http2-options.ts";
import type { UpstreamTransport } from "../tls/transport-socket.ts";

export interface ConnectorSettings {
  readonly options: ConnectOptions;
  readonly transport: UpstreamTransport | undefined;
  /** `tls_options.alpn_protocols`, stronger than the transport socket's own. */
  readonly alpn: Uint8Array | undefined;
  readonly http: UpstreamHttp;
  readonly http2Services: LazyHttp2Services;
}

/** Connections to one host for checks: not the pool's, and not counted as the cluster's. */
export class Connector {
  readonly settings: ConnectorSettings;
  readonly #host: Host;
  readonly #address: Address;

  constructor(settings: ConnectorSettings, host: Host, address: Address) {
    this.settings = settings;
    this.#host = host;
    this.#address = address;
  }

  /** "not-ready": a secret has not come yet. */
  connect(callbacks: ConnectCallbacks): PendingConnect {
    const { transport, options, alpn } = this.settings;
    const tls = transport?.settingsFor(this.#host);
    if (tls === "not-ready") {
      const timer = setImmediate(() => callbacks.onError("secrets are not ready"));
      return { cancel: () => clearImmediate(timer) };
    }
    const layers = { tls: tls === undefined || alpn === undefined ? tls : { ...tls, alpn } };
    return connect(this.#address, options, callbacks, layers);
  }

  get secure(): boolean {
    const tls = this.settings.transport?.secures(this.#host);
    return tls === true;
  }
}

export type CheckProtocol = Exclude<HttpVersion, 10>;

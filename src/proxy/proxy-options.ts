import type { Address } from "#net/address.ts";

export interface ProxyTlv {
  readonly type: number;
  readonly value: Uint8Array;
}

/** Envoy's key of the filter state that `ProxyOptions` is. */
export const proxyOptionsKey = "envoy.network.proxy_protocol_options";

/** What a downstream PROXY header said, for a PROXY header to the upstream. */
export class ProxyOptions {
  readonly source: Address;
  readonly destination: Address;
  readonly tlvs: readonly ProxyTlv[];

  constructor({
    source,
    destination,
    tlvs,
  }: Pick<ProxyOptions, "source" | "destination" | "tlvs">) {
    this.source = source;
    this.destination = destination;
    this.tlvs = tlvs;
  }

  /** No text in logs, as in Envoy. */
  toJSON(): undefined {
    return undefined;
  }
}

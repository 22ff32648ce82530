import type { RequestHead } from "#http/message.ts";
import type { DnsCache, DnsHost, DnsWaiter } from "../../../dns-cache/dns-cache.ts";
import { ResponseFlag } from "../../../response-flags.ts";
import type { Services } from "../../../services.ts";
import type { HttpFilter, HttpStream, LocalReply, Verdict } from "../filter.ts";

export interface DynamicForwardProxyConfig {
  readonly services: Services;
  readonly filterName: string;
  readonly cache: DnsCache;
}

/** Of a route; "": none. */
export interface HostRewrite {
  readonly literal: string;
  readonly header: string;
}

const emptyHost: LocalReply = {
  status: 400,
  body: "Empty host header",
  details: "empty_host_header",
};
const cacheOverflow: LocalReply = {
  status: 503,
  body: "DNS cache overflow",
  details: "dns_cache_overflow",
};
const pendingOverflow: LocalReply = {
  status: 503,
  body: "Dynamic forward proxy pending request overflow",
  details: "dynamic_forward_proxy_pending_request_overflow",
};

/** Holds a request to a dynamic forward proxy until the name that it asks for is known. */
export class DynamicForwardProxy implements HttpFilter, DnsWaiter {
  /** Among those that wait for the same name. */
  place = -1;
  readonly #config: DynamicForwardProxyConfig;
  readonly #stream: HttpStream;
  #authority = "";
  #defaultPort = 0;

  constructor(config: DynamicForwardProxyConfig, stream: HttpStream) {
    this.#config = config;
    this.#stream = stream;
  }

  onRequestHead(stream: HttpStream, head: RequestHead): Verdict {
    const { services, cache } = this.#config;
    const { route } = stream;
    if (route?.kind !== "forward") return "continue";
    const port = services.clusters.get(route.clusterName)?.dynamicPort;
    if (port === undefined) return "continue";
    if (route.hasFilterConfigs) this.#rewrite(head);
    if (head.authority === "") return this.#refuse(emptyHost);
    this.#authority = head.authority;
    this.#defaultPort = port;
    const found = cache.load(this.#authority, port, this);
    if (found === "loading") return "park";
    if (found === "overflow") return this.#refuse(cacheOverflow);
    if (found === "pending-overflow") return this.#refuse(pendingOverflow);
    return found.address === undefined ? this.#refuse(unresolved(found)) : "continue";
  }

  onResolved(host: DnsHost): void {
    if (host.address === undefined) this.#refuse(unresolved(host));
    else this.#stream.resumeRequest();
  }

  onDone(): void {
    this.#config.cache.forget(this, this.#authority, this.#defaultPort);
  }

  #rewrite(head: RequestHead): void {
    const rewrite = this.#stream.routeConfig<HostRewrite>(this.#config.filterName);
    if (rewrite === undefined) return;
    if (rewrite.literal !== "") head.authority = rewrite.literal;
    const named = rewrite.header === "" ? undefined : head.headers.get(rewrite.header);
    if (named !== undefined) head.authority = named;
  }

  #refuse(reply: LocalReply): Verdict {
    this.#stream.reply(reply);
    return "park";
  }
}

function unresolved({ details }: DnsHost): LocalReply {
  return {
    status: 503,
    body: "DNS resolution failure",
    details: `dns_resolution_failure{${details}}`,
    flags: ResponseFlag.dnsResolutionFailed,
  };
}

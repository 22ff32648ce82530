import { isIP } from "node:net";
import type { UpstreamHttpProtocolOptionsJson } from "#gen/envoy/config/core/v3/protocol_pb.js";
import type { RequestHead } from "#http/message.ts";

/** The server that a request is for; connections to it are for such requests only. */
export interface RequestedName {
  /** SNI; undefined: the cluster's own. */
  readonly serverName: string | undefined;
  /** DNS name or address that the server's certificate must be for; undefined: any. */
  readonly mustBeFor: string | undefined;
  /** Equal names have equal keys. */
  readonly key: string;
}

/** Undefined: requests do not say. */
export function compileAutoSni(
  config: UpstreamHttpProtocolOptionsJson | undefined,
): ((head: RequestHead) => RequestedName) | undefined {
  const sni = config?.autoSni ?? false;
  const validation = config?.autoSanValidation ?? false;
  if (!sni && !validation) return undefined;
  const header = config?.overrideAutoSniHeader?.toLowerCase() ?? "";
  return (head) => {
    const given = header === "" ? undefined : head.headers.get(header);
    const host = hostOf(given === undefined || given === "" ? head.authority : given);
    // RFC 6066 §3: an address is no server name.
    const serverName = sni && isIP(host) === 0 ? host : undefined;
    const mustBeFor = validation ? host : undefined;
    return { serverName, mustBeFor, key: `${serverName ?? ""} ${mustBeFor ?? ""}` };
  };
}

function hostOf(authority: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(authority) ?? [];
  return bracketed ?? plain ?? authority;
}

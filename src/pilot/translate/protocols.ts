import { isHttp } from "#model/protocol.ts";
import type { Protocol } from "#model/service.ts";

/** HTTP, or what may turn out to be. */
export function isHttpOrSniffed(protocol: Protocol): boolean {
  return protocol === "auto" || isHttp(protocol);
}

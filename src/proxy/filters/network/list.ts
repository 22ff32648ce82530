import type { NetworkFilterFactory } from "./filter.ts";
import { factory as httpConnectionManager } from "./http-connection-manager/config.ts";
import { factory as tcpProxy } from "./tcp-proxy/config.ts";

/** Every network filter. A new one is a folder and a line here. */
export const networkFilters: readonly NetworkFilterFactory[] = [httpConnectionManager, tcpProxy];

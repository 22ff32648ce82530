import type { ListenerFilterFactory } from "./filter.ts";
import { factory as httpInspector } from "./http-inspector/config.ts";
import { factory as localRatelimit } from "./local-ratelimit/config.ts";
import { factory as originalDst } from "./original-dst/config.ts";
import { factory as proxyProtocol } from "./proxy-protocol/config.ts";
import { factory as tlsInspector } from "./tls-inspector/config.ts";

/** Every listener filter. A new one is a folder and a line here. */
export const listenerFilters: readonly ListenerFilterFactory[] = [
  httpInspector,
  localRatelimit,
  originalDst,
  proxyProtocol,
  tlsInspector,
];

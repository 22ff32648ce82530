import { factory as connectionLimit } from "./connection-limit/config.ts";
import { factory as directResponse } from "./direct-response/config.ts";
import { factory as echo } from "./echo/config.ts";
import type { NetworkFilterFactory } from "./filter.ts";
import { factory as httpConnectionManager } from "./http-connection-manager/config.ts";
import { factory as localRatelimit } from "./local-ratelimit/config.ts";
import { factory as rbac } from "./rbac/config.ts";
import { factory as setFilterState } from "./set-filter-state/config.ts";
import { factory as sniCluster } from "./sni-cluster/config.ts";
import { factory as sniDynamicForwardProxy } from "./sni-dynamic-forward-proxy/config.ts";
import { factory as tcpProxy } from "./tcp-proxy/config.ts";

/** Every network filter. A new one is a folder and a line here. */
export const networkFilters: readonly NetworkFilterFactory[] = [
  connectionLimit,
  directResponse,
  echo,
  httpConnectionManager,
  localRatelimit,
  rbac,
  setFilterState,
  sniCluster,
  sniDynamicForwardProxy,
  tcpProxy,
];

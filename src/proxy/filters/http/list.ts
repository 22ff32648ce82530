import { factory as adaptiveConcurrency } from "./adaptive-concurrency/config.ts";
import { factory as admissionControl } from "./admission-control/config.ts";
import { factory as bandwidthLimit } from "./bandwidth-limit/config.ts";
import { factory as buffer } from "./buffer/config.ts";
import { factory as compressor } from "./compressor/config.ts";
import { factory as cors } from "./cors/config.ts";
import { factory as csrf } from "./csrf/config.ts";
import { factory as decompressor } from "./decompressor/config.ts";
import { factory as dynamicForwardProxy } from "./dynamic-forward-proxy/config.ts";
import { factory as fault } from "./fault/config.ts";
import type { HttpFilterFactory } from "./filter.ts";
import { factory as grpcHttp1Bridge } from "./grpc-http1-bridge/config.ts";
import { factory as grpcStats } from "./grpc-stats/config.ts";
import { factory as grpcWeb } from "./grpc-web/config.ts";
import { factory as headerMutation } from "./header-mutation/config.ts";
import { factory as headerToMetadata } from "./header-to-metadata/config.ts";
import { factory as healthCheck } from "./health-check/config.ts";
import { factory as localRatelimit } from "./local-ratelimit/config.ts";
import { factory as onDemand } from "./on-demand/config.ts";
import { factory as rbac } from "./rbac/config.ts";
import { factory as router } from "./router/config.ts";
import { factory as setFilterState } from "./set-filter-state/config.ts";
import { factory as setMetadata } from "./set-metadata/config.ts";
import { factory as statefulSession } from "./stateful-session/config.ts";

/** Every HTTP filter. A new one is a folder and a line here. */
export const httpFilters: readonly HttpFilterFactory[] = [
  adaptiveConcurrency,
  bandwidthLimit,
  admissionControl,
  buffer,
  compressor,
  cors,
  csrf,
  decompressor,
  dynamicForwardProxy,
  fault,
  grpcHttp1Bridge,
  grpcStats,
  grpcWeb,
  headerMutation,
  headerToMetadata,
  healthCheck,
  localRatelimit,
  onDemand,
  rbac,
  router,
  setFilterState,
  setMetadata,
  statefulSession,
];

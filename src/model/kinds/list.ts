/** Every kind of object that Heddle reads: a new one is a copied folder and a line here. */
import { authorizationPolicy } from "./authorization-policy/type.ts";
import { configMap } from "./config-map/type.ts";
import { destinationRule } from "./destination-rule/type.ts";
import { endpointSlice } from "./endpoint-slice/type.ts";
import { endpoints } from "./endpoints/type.ts";
import { envoyFilter } from "./envoy-filter/type.ts";
import { gateway } from "./gateway/type.ts";
import type { Kind } from "./kind.ts";
import { meshConfig } from "./mesh-config/type.ts";
import { meshNetworks } from "./mesh-networks/type.ts";
import { namespace } from "./namespace/type.ts";
import { node } from "./node/type.ts";
import { peerAuthentication } from "./peer-authentication/type.ts";
import { pod } from "./pod/type.ts";
import { proxyConfig } from "./proxy-config/type.ts";
import { requestAuthentication } from "./request-authentication/type.ts";
import { secret } from "./secret/type.ts";
import { service } from "./service/type.ts";
import { serviceEntry } from "./service-entry/type.ts";
import { sidecar } from "./sidecar/type.ts";
import { telemetry } from "./telemetry/type.ts";
import { trafficExtension } from "./traffic-extension/type.ts";
import { virtualService } from "./virtual-service/type.ts";
import { wasmPlugin } from "./wasm-plugin/type.ts";
import { workloadEntry } from "./workload-entry/type.ts";
import { workloadGroup } from "./workload-group/type.ts";

export const kinds: readonly Kind[] = [
  virtualService,
  destinationRule,
  gateway,
  serviceEntry,
  workloadEntry,
  workloadGroup,
  sidecar,
  envoyFilter,
  proxyConfig,
  peerAuthentication,
  requestAuthentication,
  authorizationPolicy,
  telemetry,
  wasmPlugin,
  trafficExtension,
  meshConfig,
  meshNetworks,
  service,
  endpointSlice,
  endpoints,
  pod,
  namespace,
  node,
  secret,
  configMap,
];

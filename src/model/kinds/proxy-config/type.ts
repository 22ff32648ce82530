import type { ProxyConfigJson } from "#gen/istio/networking/v1beta1/proxy_config_pb.js";
import type { Kind } from "../kind.ts";
import { validate } from "./validate.ts";

export const proxyConfig: Kind<ProxyConfigJson> = {
  kind: "ProxyConfig",
  group: "networking.istio.io",
  versions: ["v1beta1"],
  plural: "proxyconfigs",
  shortNames: [],
  namespaced: true,
  body: { message: "istio.networking.v1beta1.ProxyConfig" },
  validate,
};

import type { Kind } from "../kind.ts";
import { flag, integer, list, map, object, port, portOrName, type Shape, text } from "../shape.ts";
import { validate } from "./validate.ts";

const serviceSpec: Shape<ServiceSpec> = object({
  type: text,
  clusterIP: text,
  clusterIPs: list(text),
  externalIPs: list(text),
  externalName: text,
  externalTrafficPolicy: text,
  internalTrafficPolicy: text,
  loadBalancerIP: text,
  selector: map(text),
  publishNotReadyAddresses: flag,
  trafficDistribution: text,
  ports: list(
    object({
      name: text,
      protocol: text,
      appProtocol: text,
      port,
      targetPort: portOrName,
      nodePort: integer,
    }),
  ),
});

export interface ServiceSpec {
  readonly type?: string;
  readonly clusterIP?: string;
  readonly clusterIPs?: readonly string[];
  readonly externalIPs?: readonly string[];
  readonly externalName?: string;
  readonly externalTrafficPolicy?: string;
  readonly internalTrafficPolicy?: string;
  readonly loadBalancerIP?: string;
  readonly selector?: Readonly<Record<string, string>>;
  readonly publishNotReadyAddresses?: boolean;
  readonly trafficDistribution?: string;
  readonly ports?: readonly KubernetesServicePort[];
}

export interface KubernetesServicePort {
  readonly name?: string;
  readonly protocol?: string;
  readonly appProtocol?: string;
  readonly port?: number;
  readonly targetPort?: number | string;
  readonly nodePort?: number;
}

export const service: Kind<ServiceSpec> = {
  kind: "Service",
  group: "",
  versions: ["v1"],
  plural: "services",
  shortNames: ["svc"],
  namespaced: true,
  body: { shape: serviceSpec, inSpec: true },
  validate,
};

import type { Kind } from "../kind.ts";
import { flag, list, object, port, type Shape, text } from "../shape.ts";
import { validate } from "./validate.ts";

const podSpec: Shape<PodSpec> = object({
  serviceAccountName: text,
  nodeName: text,
  hostname: text,
  subdomain: text,
  hostNetwork: flag,
  containers: list(
    object({
      name: text,
      image: text,
      ports: list(object({ name: text, protocol: text, containerPort: port })),
    }),
  ),
});

/** Its addresses are in `status` (`podIP`, `podIPs`). */
export interface PodSpec {
  readonly serviceAccountName?: string;
  readonly nodeName?: string;
  readonly hostname?: string;
  readonly subdomain?: string;
  readonly hostNetwork?: boolean;
  readonly containers?: readonly Container[];
}

export interface Container {
  readonly name?: string;
  readonly image?: string;
  readonly ports?: readonly ContainerPort[];
}

export interface ContainerPort {
  readonly name?: string;
  readonly protocol?: string;
  readonly containerPort?: number;
}

export const pod: Kind<PodSpec> = {
  kind: "Pod",
  group: "",
  versions: ["v1"],
  plural: "pods",
  shortNames: ["po"],
  namespaced: true,
  body: { shape: podSpec, inSpec: true },
  validate,
};

import type { Kind } from "../kind.ts";
import { object, type Shape, text } from "../shape.ts";
import { validate } from "./validate.ts";

const nodeSpec: Shape<NodeSpec> = object({ podCIDR: text, providerID: text });

/** Its locality is in its labels (`topology.kubernetes.io/region`, `…/zone`, `topology.istio.io/subzone`). */
export interface NodeSpec {
  readonly podCIDR?: string;
  readonly providerID?: string;
}

export const node: Kind<NodeSpec> = {
  kind: "Node",
  group: "",
  versions: ["v1"],
  plural: "nodes",
  shortNames: ["no"],
  namespaced: false,
  body: { shape: nodeSpec, inSpec: true },
  validate,
};

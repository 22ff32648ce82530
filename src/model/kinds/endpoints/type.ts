import type { EndpointPort, ObjectReference } from "../endpoint-slice/type.ts";
import type { Kind } from "../kind.ts";
import { list, object, port, type Shape, text } from "../shape.ts";
import { validate } from "./validate.ts";

const address: Shape<EndpointAddress> = object({
  ip: text,
  hostname: text,
  nodeName: text,
  targetRef: object({ kind: text, namespace: text, name: text }),
});

const endpointsBody: Shape<EndpointsBody> = object({
  subsets: list(
    object({
      addresses: list(address),
      notReadyAddresses: list(address),
      ports: list(object({ name: text, protocol: text, appProtocol: text, port })),
    }),
  ),
});

/** The body without `apiVersion`, `kind` and `metadata`. */
export interface EndpointsBody {
  readonly subsets?: readonly EndpointSubset[];
}

export interface EndpointSubset {
  readonly addresses?: readonly EndpointAddress[];
  readonly notReadyAddresses?: readonly EndpointAddress[];
  readonly ports?: readonly EndpointPort[];
}

export interface EndpointAddress {
  readonly ip?: string;
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly targetRef?: ObjectReference;
}

export const endpoints: Kind<EndpointsBody> = {
  kind: "Endpoints",
  group: "",
  versions: ["v1"],
  plural: "endpoints",
  shortNames: ["ep"],
  namespaced: true,
  body: { shape: endpointsBody, inSpec: false },
  validate,
};

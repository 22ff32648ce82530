import type { Kind } from "../kind.ts";
import { flag, list, object, port, type Shape, text } from "../shape.ts";
import { validate } from "./validate.ts";

const endpointSliceBody: Shape<EndpointSliceBody> = object({
  addressType: text,
  endpoints: list(
    object({
      addresses: list(text),
      conditions: object({ ready: flag, serving: flag, terminating: flag }),
      hostname: text,
      nodeName: text,
      zone: text,
      targetRef: object({ kind: text, namespace: text, name: text }),
    }),
  ),
  ports: list(object({ name: text, protocol: text, appProtocol: text, port })),
});

/** The body without `apiVersion`, `kind` and `metadata`. */
export interface EndpointSliceBody {
  readonly addressType?: string;
  readonly endpoints?: readonly SliceEndpoint[];
  readonly ports?: readonly EndpointPort[];
}

export interface SliceEndpoint {
  readonly addresses?: readonly string[];
  readonly conditions?: {
    readonly ready?: boolean;
    readonly serving?: boolean;
    readonly terminating?: boolean;
  };
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly zone?: string;
  readonly targetRef?: ObjectReference;
}

export interface EndpointPort {
  readonly name?: string;
  readonly protocol?: string;
  readonly appProtocol?: string;
  readonly port?: number;
}

export interface ObjectReference {
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
}

export const endpointSlice: Kind<EndpointSliceBody> = {
  kind: "EndpointSlice",
  group: "discovery.k8s.io",
  versions: ["v1"],
  plural: "endpointslices",
  shortNames: [],
  namespaced: true,
  body: { shape: endpointSliceBody, inSpec: false },
  validate,
};

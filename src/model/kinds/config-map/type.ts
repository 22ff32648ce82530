import type { Kind } from "../kind.ts";
import { map, object, type Shape, text } from "../shape.ts";
import { validate } from "./validate.ts";

const configMapBody: Shape<ConfigMapBody> = object({ data: map(text), binaryData: map(text) });

/** The body without `apiVersion`, `kind` and `metadata`. */
export interface ConfigMapBody {
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
}

export const configMap: Kind<ConfigMapBody> = {
  kind: "ConfigMap",
  group: "",
  versions: ["v1"],
  plural: "configmaps",
  shortNames: ["cm"],
  namespaced: true,
  body: { shape: configMapBody, inSpec: false },
  validate,
};

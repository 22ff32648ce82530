import type { Kind } from "../kind.ts";
import { object, type Shape } from "../shape.ts";
import { validate } from "./validate.ts";

const namespaceSpec: Shape<NamespaceSpec> = object({});

/** Nothing of it is read; its labels say what belongs to the mesh. */
export type NamespaceSpec = Readonly<Record<string, never>>;

export const namespace: Kind<NamespaceSpec> = {
  kind: "Namespace",
  group: "",
  versions: ["v1"],
  plural: "namespaces",
  shortNames: ["ns"],
  namespaced: false,
  body: { shape: namespaceSpec, inSpec: true },
  validate,
};

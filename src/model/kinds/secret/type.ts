import type { Kind } from "../kind.ts";
import { map, object, type Shape, text } from "../shape.ts";
import { validate } from "./validate.ts";

const secretBody: Shape<SecretBody> = object({
  type: text,
  data: map(text),
  stringData: map(text),
});

/** The body without `apiVersion`, `kind` and `metadata`; `data` is base64, `stringData` is not. */
export interface SecretBody {
  readonly type?: string;
  readonly data?: Readonly<Record<string, string>>;
  readonly stringData?: Readonly<Record<string, string>>;
}

export const secret: Kind<SecretBody> = {
  kind: "Secret",
  group: "",
  versions: ["v1"],
  plural: "secrets",
  shortNames: [],
  namespaced: true,
  body: { shape: secretBody, inSpec: false },
  validate,
};

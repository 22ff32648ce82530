import type { ObjectMeta } from "../object.ts";
import type { Report } from "./report.ts";
import type { Shape } from "./shape.ts";

/** What validation looks at: of a kind's objects the names and the body. */
export interface Validated<S> {
  readonly metadata: ObjectMeta;
  readonly spec: S;
}

/** A kind of object: how it is named, what its body looks like, and what a valid one is. */
export interface Kind<S = unknown> {
  readonly kind: string;
  /** Empty: Kubernetes' core. */
  readonly group: string;
  /** The preferred one first; all have the same body. */
  readonly versions: readonly string[];
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  /** Istio's: the protobuf message that `spec` is. Kubernetes': the parts of the body that are read. */
  readonly body:
    | { readonly message: string }
    | { readonly shape: Shape<S>; readonly inSpec: boolean };
  /** Everything that is wrong with a body of the right shape; positions are relative to the whole object. */
  validate(object: Validated<S>, report: Report): void;
}

import type { Position } from "#config/source-text.ts";

/** An object's namespace when it names none. */
export const defaultNamespace = "default";

/** The text that an object came from. */
export interface ObjectSource {
  /** A file, or what stands for it in messages ("<stdin>"). */
  readonly name: string;
  /** Where a value of the object stands: `["spec", "http", 0]`; the nearest value above it when it was not written. */
  positionOf(keys: readonly (string | number)[]): Position;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Milliseconds since 1970. What competes is ordered by it ("oldest wins"), then by name and namespace. */
  readonly creationMs: number;
  /** The store's revision of this object: another one after each change. */
  readonly resourceVersion: string;
  readonly generation?: number;
  readonly uid?: string;
}

/** An object of configuration: Istio's or Kubernetes'. `spec` is canonical ProtoJSON for Istio's kinds. */
export interface ConfigObject<S = unknown> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec: S;
  readonly status?: unknown;
  readonly source?: ObjectSource | undefined;
}

/** `kind/namespace/name`: unique among the objects of a mesh, and how messages name them. */
export function objectKey({
  kind,
  metadata,
}: Pick<ConfigObject, "kind"> & {
  readonly metadata: Pick<ObjectMeta, "name" | "namespace">;
}): string {
  return `${kind}/${metadata.namespace}/${metadata.name}`;
}

/** Istio's order of what competes: the older first, then by name and namespace. */
export function byAge(a: ConfigObject, b: ConfigObject): number {
  if (a.metadata.creationMs !== b.metadata.creationMs)
    return a.metadata.creationMs - b.metadata.creationMs;
  const left = `${a.metadata.name}.${a.metadata.namespace}`;
  const right = `${b.metadata.name}.${b.metadata.namespace}`;
  return left < right ? -1 : left > right ? 1 : 0;
}

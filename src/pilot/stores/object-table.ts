import { isDeepStrictEqual } from "node:util";
import { type ConfigObject, objectKey } from "#model/object.ts";
import {
  type ChangeRequest,
  ConflictError,
  type ObjectChange,
  StoreLimitError,
  type UnwantedObject,
  type WantedObject,
} from "./store.ts";

export interface ObjectLimits {
  /** 100,000 by default. */
  readonly objectsMax?: number;
}

const objectsMaxDefault = 100_000;

/** The objects of a store as they are now, and the rules by which they change. */
export class ObjectTable {
  readonly #objects: Map<string, ConfigObject>;
  readonly #objectsMax: number;

  constructor(objects: Iterable<ConfigObject> = [], { objectsMax }: ObjectLimits = {}) {
    this.#objects = new Map([...objects].map((object) => [objectKey(object), object]));
    this.#objectsMax = objectsMax ?? objectsMaxDefault;
  }

  list(): readonly ConfigObject[] {
    return [...this.#objects.values()];
  }

  get(key: string): ConfigObject | undefined {
    return this.#objects.get(key);
  }

  /** What the request changes; the table is as it was. Throws ConflictError, StoreLimitError. */
  plan(request: ChangeRequest, revision: number, nowMs: number): readonly ObjectChange[] {
    const changes: ObjectChange[] = [];
    for (const wanted of request.set ?? []) {
      const change = this.#planSet(wanted, revision, nowMs);
      if (change !== undefined) changes.push(change);
    }
    for (const unwanted of request.remove ?? []) changes.push(this.#planRemove(unwanted));
    const added = changes.filter(({ before }) => before === undefined).length;
    const removed = changes.filter(({ after }) => after === undefined).length;
    if (this.#objects.size + added - removed > this.#objectsMax)
      throw new StoreLimitError(`the store holds at most ${this.#objectsMax} objects`);
    return changes;
  }

  #planSet(
    { object, expected }: WantedObject,
    revision: number,
    nowMs: number,
  ): ObjectChange | undefined {
    const key = objectKey(object);
    const before = this.#objects.get(key);
    checkVersion(key, before, expected);
    if (before !== undefined && sameAsWritten(before, object)) return undefined;
    const { metadata } = object;
    const after: ConfigObject = {
      ...object,
      metadata: {
        ...metadata,
        creationMs: before?.metadata.creationMs ?? (metadata.creationMs || nowMs),
        resourceVersion: String(revision),
        generation: (before?.metadata.generation ?? 0) + 1,
      },
    };
    return { key, before, after };
  }

  #planRemove({ key, expected }: UnwantedObject): ObjectChange {
    const before = this.#objects.get(key);
    if (before === undefined) throw new ConflictError(key, "missing", `there is no ${key}`);
    checkVersion(key, before, expected);
    return { key, before, after: undefined };
  }

  apply(changes: readonly ObjectChange[]): void {
    for (const { key, after } of changes) {
      if (after === undefined) this.#objects.delete(key);
      else this.#objects.set(key, after);
    }
  }
}

function checkVersion(
  key: string,
  before: ConfigObject | undefined,
  expected: string | undefined,
): void {
  if (expected === undefined) return;
  const version = before?.metadata.resourceVersion ?? "";
  if (version === expected) return;
  if (expected === "") throw new ConflictError(key, "exists", `${key} is there already`);
  const now = before === undefined ? "is gone" : `is at version ${version} now, not ${expected}`;
  throw new ConflictError(key, "changed", `${key} ${now}: read it again and repeat the change`);
}

/** What its author wrote is the same. */
export function sameAsWritten(a: ConfigObject, b: ConfigObject): boolean {
  return (
    a.apiVersion === b.apiVersion &&
    isDeepStrictEqual(a.metadata.labels, b.metadata.labels) &&
    isDeepStrictEqual(a.metadata.annotations, b.metadata.annotations) &&
    isDeepStrictEqual(a.spec, b.spec) &&
    (b.status === undefined || isDeepStrictEqual(a.status, b.status))
  );
}

/** The request that takes a revision back. Throws ConflictError when one of its objects has been changed since. */
export function reversal(
  changes: readonly ObjectChange[],
  current: (key: string) => ConfigObject | undefined,
): Pick<ChangeRequest, "set" | "remove"> {
  const set: WantedObject[] = [];
  const remove: UnwantedObject[] = [];
  for (const { key, before, after } of changes) {
    const now = current(key);
    const changedSince =
      after === undefined ? now !== undefined : now === undefined || !sameAsWritten(now, after);
    if (changedSince) {
      const what = now === undefined ? "is gone" : "was changed";
      throw new ConflictError(key, "changed", `${key} ${what} since: undo the later change first`);
    }
    if (before === undefined) remove.push({ key });
    else set.push({ object: before });
  }
  return { set, remove };
}

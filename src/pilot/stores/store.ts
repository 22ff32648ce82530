import type { ConfigObject } from "#model/object.ts";

/** What happened to one object. */
export interface ObjectChange {
  /** `kind/namespace/name` */
  readonly key: string;
  /** Undefined: it is new. */
  readonly before: ConfigObject | undefined;
  /** Undefined: it is gone. */
  readonly after: ConfigObject | undefined;
}

/** Everything that was changed at once. */
export interface Revision {
  readonly number: number;
  readonly author: string;
  /** Why, in the author's words, or what the command was. */
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly changes: readonly ObjectChange[];
}

/** What somebody wants to be there. */
export interface WantedObject {
  readonly object: ConfigObject;
  /** The resourceVersion that it must have now; undefined: whatever is there. "": nothing must be there. */
  readonly expected?: string | undefined;
}

export interface UnwantedObject {
  readonly key: string;
  readonly expected?: string | undefined;
}

export interface ChangeRequest {
  readonly set?: readonly WantedObject[];
  readonly remove?: readonly UnwantedObject[];
  readonly author: string;
  readonly message: string;
  /** What would be changed, and nothing is. */
  readonly dryRun?: boolean;
}

/** Somebody else has changed it meanwhile, or it is not there. */
export class ConflictError extends Error {
  readonly key: string;
  readonly reason: "changed" | "exists" | "missing";

  constructor(key: string, reason: ConflictError["reason"], message: string) {
    super(message);
    this.name = "ConflictError";
    this.key = key;
    this.reason = reason;
  }
}

/** It is full. */
export class StoreLimitError extends Error {}

/** It is changed in another way: a folder, with an editor. */
export class ReadOnlyStoreError extends Error {}

/** Where objects of configuration are kept; all calls may be made at any time. */
export interface ConfigStore {
  /** Its folder's name. */
  readonly name: string;
  /** Read only: a folder that somebody edits with an editor. */
  readonly writable: boolean;
  /** The newest. */
  readonly revision: number;
  list(): readonly ConfigObject[];
  get(key: string): ConfigObject | undefined;
  /**
   * All of it or nothing. Objects that are the same already are left alone; when all are, there is no new revision and `changes` is
   * empty. Throws ConflictError, StoreLimitError, and ReadOnlyStoreError when it is not writable.
   */
  change(request: ChangeRequest): Revision;
  /** The newest first. */
  history(limit: number): readonly Revision[];
  revisionAt(number: number): Revision | undefined;
  /** Each change once, in order, from now on. */
  watch(onRevision: (revision: Revision) => void): () => void;
  close(): void;
}

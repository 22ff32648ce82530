import type { DecodedBytes } from "#config/decode-bytes.ts";
import type { ResourceProblem } from "../subscriber.ts";

/** What a resource is made of, not yet decoded. */
export interface Content {
  /** Equal when the resource is the same. */
  readonly key: Uint8Array;
  decode(): DecodedBytes;
}

export interface IncomingResource {
  readonly name: string;
  readonly version: string;
  readonly ttlMs: number | undefined;
  /** Undefined: a heartbeat, which only says that the resource is still good. */
  readonly content: Content | undefined;
}

/** An answer of a server, in the form that all protocols share. */
export interface Incoming {
  readonly typeUrl: string;
  readonly version: string;
  readonly resources: readonly IncomingResource[];
  /** Names that do not exist. */
  readonly removed: readonly string[];
  /** It holds all that there is: what it leaves out is gone. */
  readonly complete: boolean;
  /** What is wrong with the answer itself; then none of it can be taken. */
  readonly invalid: readonly ResourceProblem[];
  /** From the disk, not from a server: its version is none to tell a server. */
  readonly saved?: boolean;
}

/** What is sent back. */
export interface Verdict {
  /** Empty: taken. */
  readonly problems: readonly ResourceProblem[];
}

export const taken: Verdict = { problems: [] };

export function printProblem({ name, path, message }: ResourceProblem): string {
  return [name, path, message].filter((part) => part !== "").join(": ");
}

/** Envoy sends no more of a reason; a list of a thousand problems helps nobody. */
const reasonMax = 4096;

export function printProblems(problems: readonly ResourceProblem[]): string {
  const text = problems.map(printProblem).join("; ");
  return text.length <= reasonMax ? text : `${text.slice(0, reasonMax - 3)}...`;
}

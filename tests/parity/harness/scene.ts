import assert from "node:assert/strict";
import type { ParityCase } from "./area.ts";
import type { CaseContext } from "./context.ts";

/** What was seen, in a form that a diff shows well. */
export type Seen = readonly (readonly string[] | string)[];

/** A case whose assertion is all that is seen of it. */
export interface Scene extends Omit<ParityCase, "run" | "heddle"> {
  readonly act: (t: CaseContext) => Promise<Seen>;
  readonly sees: Seen;
  /** Where Heddle differs on purpose. */
  readonly heddle?: { readonly difference: string; readonly sees: Seen };
}

export function scene({ act, sees, heddle, ...rest }: Scene): ParityCase {
  const expecting = (expected: Seen) => async (t: CaseContext) => {
    const seen = await act(t);
    try {
      assert.deepEqual(seen, expected);
    } catch (cause) {
      throw new Error(`${t.side} saw ${JSON.stringify([rest.name, seen])}`, { cause });
    }
  };
  if (heddle === undefined) return { ...rest, run: expecting(sees) };
  const { difference } = heddle;
  return { ...rest, run: expecting(sees), heddle: { difference, run: expecting(heddle.sees) } };
}

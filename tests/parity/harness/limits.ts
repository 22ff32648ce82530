import type { JsonObject } from "./config.ts";
import type { CaseContext } from "./context.ts";

/** What the areas of fault, local_ratelimit and bandwidth_limit share. */

export const percent = (numerator: number, denominator = "HUNDRED"): JsonObject => ({
  numerator,
  denominator,
});

/** A filter's configuration of a route, under the filter's name. */
export const perRoute = (name: string, type: string, config: JsonObject): JsonObject => ({
  typed_per_filter_config: {
    [name]: { "@type": `type.googleapis.com/${type}`, ...config },
  },
});

/** The statuses of these paths, each on a connection of its own, one after another. */
export async function statuses(
  t: CaseContext,
  paths: readonly string[],
  ...fields: readonly string[]
): Promise<readonly number[]> {
  const found: number[] = [];
  for (const path of paths) found.push((await t.get(path, ...fields)).status);
  return found;
}

/** How long it took, in milliseconds. Compare with a lower bound only: the machine may be busy. */
export async function timed<T>(act: () => Promise<T>): Promise<{ result: T; elapsedMs: number }> {
  const startMs = performance.now();
  const result = await act();
  return { result, elapsedMs: performance.now() - startMs };
}

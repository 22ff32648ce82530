import { covers } from "#model/hostname.ts";

/** What two lists of hosts have in common, in the order of the first: of two names that overlap, the narrower. */
export function commonHosts(first: readonly string[], second: readonly string[]): string[] {
  const common = new Set<string>();
  for (const a of first) {
    for (const b of second) {
      if (covers(b, a)) common.add(a);
      else if (covers(a, b)) common.add(b);
    }
  }
  return [...common];
}

import type { ProxyView } from "#pilot/view.ts";
import { viewProblems } from "#pilot/view-problems.ts";
import type { Terminal } from "../mesh/terminal.ts";

/** What of the files has no effect on the proxy, beside the answer: standard output is for programs. */
export function printWarnings(view: ProxyView, { stderr }: Terminal): void {
  for (const { message } of viewProblems(view)) stderr.write(`warning ${message}\n`);
}

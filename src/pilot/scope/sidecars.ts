import type { Sidecar } from "../view.ts";
import { selects } from "./visibility.ts";

/**
 * The Sidecar of a workload: one of its namespace that selects it, else its namespace's one for all, else the root namespace's for
 * all. Of several the oldest. `sidecars`: of both namespaces, the oldest first.
 */
export function selectSidecar(
  sidecars: { readonly own: readonly Sidecar[]; readonly root: readonly Sidecar[] },
  labels: Readonly<Record<string, string>>,
): Sidecar | undefined {
  return (
    sidecars.own.find(
      ({ spec }) => spec.workloadSelector && selects(spec.workloadSelector.labels ?? {}, labels),
    ) ??
    sidecars.own.find(({ spec }) => spec.workloadSelector === undefined) ??
    sidecars.root.find(({ spec }) => spec.workloadSelector === undefined)
  );
}

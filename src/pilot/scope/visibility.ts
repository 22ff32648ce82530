/** Whether what `namespace` holds and exports to `exportTo` is seen from `from`. An empty list is the caller's to default. */
export function isExported(
  exportTo: readonly string[],
  { namespace, from }: { readonly namespace: string; readonly from: string },
): boolean {
  return exportTo.some(
    (target) => target === "*" || target === from || (target === "." && namespace === from),
  );
}

/**
 * Istio's three circles, of which the inner goes first: an object that is its namespace's own (`.`), one exported to this namespace
 * by name, one for everybody. Undefined: not seen.
 */
export function circleOf(
  exportTo: readonly string[],
  { namespace, from }: { readonly namespace: string; readonly from: string },
): 0 | 1 | 2 | undefined {
  if (exportTo.includes("*")) return 2;
  if (!isExported(exportTo, { namespace, from })) return undefined;
  return exportTo.length === 1 && namespace === from ? 0 : 1;
}

/** Labels that a selector asks for are all there. An empty selector asks for nothing. */
export function selects(
  selector: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>>,
): boolean {
  for (const key in selector) if (labels[key] !== selector[key]) return false;
  return true;
}

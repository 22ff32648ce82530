/** What rules of many kinds have: selectors, target references, exportTo. */
import type {
  PolicyTargetReferenceJson,
  WorkloadSelectorJson,
} from "#gen/istio/type/v1beta1/selector_pb.js";
import { isLabel } from "./hosts.ts";
import { labelKeyProblem, labelValueProblem } from "./names.ts";
import type { Report } from "./report.ts";

export type Labels = Readonly<Record<string, string>>;

/** `labels` of subsets, workloads, matches. */
export function checkLabels(labels: Labels | undefined, report: Report): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    report.at(key).check(labelKeyProblem(key) ?? labelValueProblem(value));
  }
}

/** The labels of a selector; without any it selects all of its namespace. */
export function checkSelectorLabels(labels: Labels | undefined, report: Report): void {
  const entries = Object.entries(labels ?? {});
  if (entries.length === 0) {
    report.warning("has no labels: it selects every workload of the namespace");
  }
  for (const [key, value] of entries) {
    const here = report.at(key);
    if (key === "") here.problem("a label's name must not be empty");
    if (key.includes("*") || value.includes("*")) here.problem("a selector has no wildcards");
    else if (value.length > 63) here.problem("is longer than 63 characters");
  }
}

/** `selector.matchLabels` */
export function checkSelector(selector: WorkloadSelectorJson | undefined, report: Report): void {
  if (selector !== undefined) checkSelectorLabels(selector.matchLabels, report);
}

/** `workloadSelector.labels` of the older kinds. */
export function checkWorkloadSelector(
  selector: { readonly labels?: Labels } | undefined,
  report: Report,
): void {
  if (selector !== undefined) checkSelectorLabels(selector.labels, report);
}

export interface Targeted {
  readonly selector?: WorkloadSelectorJson;
  readonly targetRef?: PolicyTargetReferenceJson;
  readonly targetRefs?: readonly PolicyTargetReferenceJson[];
}

const targetRefsMax = 16;

/** A policy says by its selector or by references whom it concerns. */
export function checkTargets(spec: Targeted, report: Report): void {
  const { selector, targetRef, targetRefs = [] } = spec;
  checkSelector(selector, report.at("selector"));
  if (targetRef !== undefined) {
    const here = report.at("targetRef");
    here.warning("is deprecated; use targetRefs");
    checkTarget(targetRef, here);
  }
  for (const [index, target] of targetRefs.entries()) {
    checkTarget(target, report.at("targetRefs", index));
  }
  if (targetRefs.length > targetRefsMax) {
    report.at("targetRefs").problem(`has more than ${targetRefsMax} entries`);
  }
  const given = [
    selector && "selector",
    targetRef && "targetRef",
    targetRefs.length > 0 && "targetRefs",
  ].filter((name) => typeof name === "string");
  if (given.length > 1) {
    report.at(given[1] ?? "").problem(`cannot be given together with ${given[0]}`);
  }
}

/** `group/Kind` of what a policy may be attached to. */
const targets: ReadonlySet<string> = new Set([
  "/Service",
  "core/Service",
  "networking.istio.io/ServiceEntry",
  "gateway.networking.k8s.io/Gateway",
  "gateway.networking.k8s.io/GatewayClass",
]);

function checkTarget(target: PolicyTargetReferenceJson, report: Report): void {
  const { group = "", kind = "", name = "", namespace = "" } = target;
  if (kind === "") report.at("kind").problem("is required");
  else if (!targets.has(`${group}/${kind}`)) {
    const known = "Service, networking.istio.io/ServiceEntry, gateway.networking.k8s.io/Gateway";
    report.at("kind").problem(`${group}/${kind} is none of ${known}`);
  }
  if (name === "") report.at("name").problem("is required");
  else if (name.length > 253) report.at("name").problem("is longer than 253 characters");
  if (namespace !== "") {
    report.at("namespace").problem("must not be given: a policy is for its own namespace");
  }
}

export interface ExportRules {
  readonly namespace: string;
  /** A ServiceEntry may be exported to nobody (`~`). */
  readonly none: boolean;
  /** A rule for selected workloads stays in its namespace. */
  readonly ownOnly: boolean;
}

export function checkExportTo(
  exportTo: readonly string[] | undefined,
  report: Report,
  { namespace, none, ownOnly }: ExportRules,
): void {
  const entries = exportTo ?? [];
  const seen = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    const here = report.at(index);
    const name = entry === "." ? namespace : entry;
    if (seen.has(name)) here.problem(`"${entry}" is there already`);
    else if (entry === "~" && !none) here.problem('"~" is for ServiceEntries only');
    else if (name !== "*" && name !== "~" && !isLabel(name)) {
      here.problem(`"${entry}" is none of "*", "." and a namespace`);
    }
    seen.add(name);
  }
  if (entries.length > 1) {
    if (seen.has("*")) report.problem('"*" is everybody: no other entry can stand beside it');
    if (seen.has("~")) report.problem('"~" is nobody: no other entry can stand beside it');
  }
  if (ownOnly && entries.length > 0 && (seen.size > 1 || !seen.has(namespace))) {
    report.problem("a rule with a workloadSelector can be exported to its own namespace only");
  }
}

import type { JsonValue } from "@bufbuild/protobuf";
import { hint } from "#config/nearest.ts";
import {
  labelKeyProblem,
  labelValueProblem,
  nameProblem,
  namespaceProblem,
} from "./kinds/names.ts";
import type { Report } from "./kinds/report.ts";
import { defaultNamespace, type ObjectMeta } from "./object.ts";

export interface MetadataOptions {
  /** Objects of a kind that is not have no namespace: it is "". */
  readonly namespaced: boolean;
  readonly namespace: string | undefined;
}

/** Kubernetes' ObjectMeta. */
const fields = [
  "name",
  "generateName",
  "namespace",
  "selfLink",
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "labels",
  "annotations",
  "ownerReferences",
  "finalizers",
  "managedFields",
];

export function readMetadata(
  value: JsonValue | undefined,
  report: Report,
  options: MetadataOptions,
): ObjectMeta {
  if (value === undefined || value === null) report.problem("is required");
  const from = asObject(value ?? {}, report);
  for (const key of Object.keys(from)) {
    if (!fields.includes(key)) report.at(key).problem(`unknown field${hint(key, fields)}`);
  }
  const { generation } = from;
  const uid = readText(from["uid"], report.at("uid"));
  return {
    name: readName(from, report),
    namespace: readNamespace(from["namespace"], report.at("namespace"), options),
    labels: readLabels(from["labels"], report.at("labels")),
    annotations: readMap(from["annotations"], report.at("annotations")),
    creationMs: readTime(from["creationTimestamp"], report.at("creationTimestamp")),
    resourceVersion: readText(from["resourceVersion"], report.at("resourceVersion")),
    ...(typeof generation === "number" ? { generation } : {}),
    ...(uid === "" ? {} : { uid }),
  };
}

type Values = Readonly<Record<string, JsonValue>>;

function readName(from: Values, report: Report): string {
  const name = readText(from["name"], report.at("name"));
  if (name !== "") {
    checkName(name, report.at("name"), nameProblem);
  } else if (from["name"] === undefined || from["name"] === null || from["name"] === "") {
    report.at("name").problem("is required");
  }
  return name;
}

/** Istio's own examples have capitals (`nsA`), which only an API server of Kubernetes refuses. */
function checkName(
  text: string,
  report: Report,
  problemOf: (name: string) => string | undefined,
): void {
  const problem = problemOf(text);
  if (problem === undefined) return;
  if (problemOf(text.toLowerCase()) === undefined) {
    report.warning(`"${text}" has capitals, which Kubernetes does not take`);
  } else {
    report.problem(problem);
  }
}

function readNamespace(
  value: JsonValue | undefined,
  report: Report,
  { namespaced, namespace = defaultNamespace }: MetadataOptions,
): string {
  const text = readText(value, report);
  if (!namespaced) return "";
  if (text === "") return namespace;
  checkName(text, report, namespaceProblem);
  return text;
}

function readLabels(
  value: JsonValue | undefined,
  report: Report,
): Readonly<Record<string, string>> {
  const labels = readMap(value, report);
  for (const [key, label] of Object.entries(labels)) {
    const problem = labelKeyProblem(key) ?? labelValueProblem(label);
    if (problem !== undefined) report.at(key).problem(problem);
  }
  return labels;
}

function readMap(value: JsonValue | undefined, report: Report): Readonly<Record<string, string>> {
  const read: [string, string][] = [];
  for (const [key, entry] of Object.entries(asObject(value ?? {}, report))) {
    if (typeof entry === "string") read.push([key, entry]);
    else report.at(key).problem(`must be a string, not ${JSON.stringify(entry)} (quote it)`);
  }
  return Object.fromEntries(read);
}

function readTime(value: JsonValue | undefined, report: Report): number {
  if (value === undefined || value === null) return 0;
  const ms = typeof value === "string" ? Date.parse(value) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  report.problem('must be a time such as "2026-01-31T12:00:00Z"');
  return 0;
}

function readText(value: JsonValue | undefined, report: Report): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  report.problem(`must be a string, not ${JSON.stringify(value)} (quote it)`);
  return "";
}

function asObject(value: JsonValue, report: Report): Values {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  report.problem(`must be a map, not ${JSON.stringify(value)}`);
  return {};
}

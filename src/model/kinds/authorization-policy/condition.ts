import { hint } from "#config/nearest.ts";
import type { ConditionJson } from "#gen/istio/security/v1beta1/authorization_policy_pb.js";
import { subnetProblem } from "../hosts.ts";
import type { Report } from "../report.ts";
import { portTextProblem } from "./source.ts";

type ValueCheck = (value: string) => string | undefined;

const anything: ValueCheck = () => undefined;

const keys: ReadonlyMap<string, ValueCheck> = new Map([
  ["source.ip", subnetProblem],
  ["remote.ip", subnetProblem],
  ["source.namespace", anything],
  ["source.principal", anything],
  ["source.serviceAccount", anything],
  ["source.trustDomain", anything],
  ["request.auth.principal", anything],
  ["request.auth.audiences", anything],
  ["request.auth.presenter", anything],
  ["destination.ip", subnetProblem],
  ["destination.port", portTextProblem],
  ["connection.sni", anything],
]);

/** Of these a part is chosen: `request.headers[user-agent]`. */
const families = ["request.headers", "request.auth.claims", "experimental.envoy.filters."];

/** What the older API had. */
const gone: ReadonlyMap<string, string> = new Map([
  ["destination.namespace", "a policy is for its own namespace"],
  ["destination.labels", "the selector says it"],
  ["destination.name", "the selector says it"],
  ["destination.user", "the selector says it"],
]);

export function checkCondition(condition: ConditionJson, report: Report): void {
  const { key = "", values = [], notValues = [] } = condition;
  const check = checkOf(key, report.at("key"));
  if (values.length + notValues.length === 0)
    report.problem("one of values and notValues is required");
  for (const field of ["values", "notValues"] as const) {
    for (const [index, value] of (condition[field] ?? []).entries()) {
      report.at(field, index).check(value === "" ? "must not be empty" : check(value));
    }
  }
}

function checkOf(key: string, report: Report): ValueCheck {
  const known = keys.get(key);
  if (known !== undefined) return known;
  const why = gone.get(key.replace(/\[.*$/, ""));
  if (key === "") report.problem("is required");
  else if (why !== undefined) report.problem(`${key} is not supported: ${why}`);
  else if (families.some((family) => key.startsWith(family))) {
    if (!/^[^[]+\[.+\]$/.test(key))
      report.problem(`"${key}" must be like ${key.replace(/\[.*/, "")}[name]`);
  } else {
    report.problem(`"${key}" is not known${hint(key, [...keys.keys(), ...families])}`);
  }
  return anything;
}

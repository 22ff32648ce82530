import type {
  AuthorizationPolicyJson,
  RuleJson,
  SourceJson,
} from "#gen/istio/security/v1beta1/authorization_policy_pb.js";
import type { Validated } from "../kind.ts";
import { checkTargets } from "../policy.ts";
import type { Report } from "../report.ts";
import { checkCondition } from "./condition.ts";
import { checkOperation, checkSource } from "./source.ts";

const rulesMax = 512;

export function validate(
  { metadata, spec }: Validated<AuthorizationPolicyJson>,
  report: Report,
): void {
  const here = report.at("spec");
  const { action = "ALLOW", rules = [], provider } = spec;
  checkTargets(spec, here);
  checkDryRun(metadata.annotations["istio.io/dry-run"], report, String(action));
  if (action === "CUSTOM" && !provider?.name) {
    here.at("provider", "name").problem("is required with action CUSTOM");
  }
  if (action !== "CUSTOM" && provider !== undefined) {
    here.at("provider").problem(`cannot be given with action ${action}, only with CUSTOM`);
  }
  if ((action === "DENY" || action === "CUSTOM") && rules.length === 0) {
    const text = `is required with action ${action}: without a rule nothing is concerned`;
    here.at("rules").problem(`${text}; an empty rule ({}) is every call`);
  }
  if (rules.length > rulesMax) here.at("rules").problem(`has more than ${rulesMax} entries`);
  for (const [index, rule] of rules.entries()) {
    checkRule(rule, here.at("rules", index));
    if (action === "CUSTOM") checkCustom(rule, here.at("rules", index));
    if (action === "DENY") warnOfTcp(rule, here.at("rules", index));
  }
}

function checkDryRun(value: string | undefined, report: Report, action: string): void {
  if (value === undefined) return;
  const here = report.at("metadata", "annotations", "istio.io/dry-run");
  if (action !== "ALLOW" && action !== "DENY") here.problem(`has no meaning with action ${action}`);
  else if (!/^(?:1|t|T|true|TRUE|True|0|f|F|false|FALSE|False)$/.test(value)) {
    here.problem(`"${value}" is neither true nor false`);
  }
}

function checkRule(rule: RuleJson, report: Report): void {
  for (const [index, { source }] of (rule.from ?? []).entries()) {
    const here = report.at("from", index, "source");
    if (source === undefined) here.problem("is required");
    else checkSource(source, here);
  }
  for (const [index, { operation }] of (rule.to ?? []).entries()) {
    const here = report.at("to", index, "operation");
    if (operation === undefined) here.problem("is required");
    else checkOperation(operation, here);
  }
  for (const [index, condition] of (rule.when ?? []).entries()) {
    checkCondition(condition, report.at("when", index));
  }
}

/** The external service is asked before anybody is known. */
const unknownToCustom = [
  "principals",
  "notPrincipals",
  "requestPrincipals",
  "notRequestPrincipals",
  "namespaces",
  "notNamespaces",
  "serviceAccounts",
  "notServiceAccounts",
] as const;

function checkCustom(rule: RuleJson, report: Report): void {
  for (const [index, { source }] of (rule.from ?? []).entries()) {
    for (const field of unknownToCustom) {
      if ((source?.[field] ?? []).length > 0) {
        report.at("from", index, "source", field).problem("is not supported with action CUSTOM");
      }
    }
  }
  for (const [index, { key = "" }] of (rule.when ?? []).entries()) {
    if (/^(?:source\.(?:namespace|principal|serviceAccount)$|request\.auth\.)/.test(key)) {
      report.at("when", index, "key").problem(`${key} is not supported with action CUSTOM`);
    }
  }
}

const tcpSources = [
  "principals",
  "notPrincipals",
  "namespaces",
  "notNamespaces",
  "serviceAccounts",
  "notServiceAccounts",
  "ipBlocks",
  "notIpBlocks",
  "remoteIpBlocks",
  "notRemoteIpBlocks",
  "trustDomains",
  "notTrustDomains",
] as const satisfies readonly (keyof SourceJson)[];

/** On a port of TCP, what only HTTP knows is left out of a DENY rule, and the rest denies more than is meant. */
function warnOfTcp(rule: RuleJson, report: Report): void {
  const { from = [], to = [] } = rule;
  const tcpFrom = from.some(({ source }) =>
    tcpSources.some((field) => source?.[field] !== undefined),
  );
  const tcpTo = to.some(({ operation }) => operation?.ports ?? operation?.notPorts);
  const onlyHttp = (from.length > 0 && to.length === 0 && !tcpFrom) || (to.length > 0 && !tcpTo);
  if (onlyHttp) {
    report.warning(
      "denies all calls on ports of TCP, because only HTTP has what it asks: name ports",
    );
  }
}

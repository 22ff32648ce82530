import type {
  MetricsJson,
  MetricsOverrides_TagOverrideJson,
  ProviderRefJson,
  TelemetryJson,
  Tracing_CustomTagJson,
  TracingJson,
} from "#gen/istio/telemetry/v1alpha1/telemetry_pb.js";
import { durationProblem, percentProblem } from "../checks.ts";
import { expressionProblem } from "../expression.ts";
import type { Validated } from "../kind.ts";
import { checkTargets } from "../policy.ts";
import type { Report } from "../report.ts";

export function validate({ spec }: Validated<TelemetryJson>, report: Report): void {
  const here = report.at("spec");
  const { tracing = [], metrics = [], accessLogging = [] } = spec;
  checkTargets(spec, here);
  if (tracing.length > 1) here.at("tracing").warning("only the first entry has an effect");
  for (const [index, entry] of tracing.entries()) checkTracing(entry, here.at("tracing", index));
  for (const [index, entry] of metrics.entries()) checkMetrics(entry, here.at("metrics", index));
  for (const [index, { providers, filter }] of accessLogging.entries()) {
    const entry = here.at("accessLogging", index);
    checkProviders(providers, entry.at("providers"));
    if (filter?.expression) {
      entry.at("filter", "expression").check(expressionProblem(filter.expression));
    }
  }
}

function checkProviders(providers: readonly ProviderRefJson[] | undefined, report: Report): void {
  for (const [index, { name = "" }] of (providers ?? []).entries()) {
    if (name === "") report.at(index, "name").problem("is required");
  }
}

function checkTracing(tracing: TracingJson, report: Report): void {
  const { providers = [] } = tracing;
  if (providers.length > 1) report.at("providers").warning("only the first provider has an effect");
  checkProviders(providers, report.at("providers"));
  report.at("randomSamplingPercentage").check(percentProblem(tracing.randomSamplingPercentage));
  for (const [name, tag] of Object.entries(tracing.customTags ?? {})) {
    const here = report.at("customTags", name);
    if (name === "") here.problem("a tag's name must not be empty");
    checkTag(tag, here);
  }
}

function checkTag(tag: Tracing_CustomTagJson, report: Report): void {
  const { literal, environment, header, formatter } = tag;
  const required = (field: string, value: string | undefined): void => {
    if (!value) report.at(...field.split(".")).problem("is required");
  };
  if (literal !== undefined) required("literal.value", literal.value);
  else if (environment !== undefined) required("environment.name", environment.name);
  else if (header !== undefined) required("header.name", header.name);
  else if (formatter !== undefined) required("formatter.value", formatter.value);
  else report.warning("has no value: one of literal, environment, header and formatter");
}

function checkMetrics(metrics: MetricsJson, report: Report): void {
  checkProviders(metrics.providers, report.at("providers"));
  report.at("reportingInterval").check(durationProblem(metrics.reportingInterval));
  for (const [index, override] of (metrics.overrides ?? []).entries()) {
    const here = report.at("overrides", index);
    if (override.match?.customMetric === "") {
      here.at("match", "customMetric").problem("must not be empty");
    }
    for (const [name, tag] of Object.entries(override.tagOverrides ?? {})) {
      if (name === "") here.at("tagOverrides").warning("a tag's name is empty");
      checkTagOverride(tag, here.at("tagOverrides", name));
    }
  }
}

function checkTagOverride(tag: MetricsOverrides_TagOverrideJson, report: Report): void {
  const { operation = "UPSERT", value = "" } = tag;
  if (operation === "UPSERT") {
    const here = report.at("value");
    const problem = expressionProblem(value);
    if (value === "") here.problem("is required with operation UPSERT");
    // Istio leaves it to the proxy, which then has no such tag.
    else if (problem !== undefined) here.warning(problem);
  } else if (value !== "") {
    report.at("value").problem(`cannot be given with operation ${operation}`);
  }
}

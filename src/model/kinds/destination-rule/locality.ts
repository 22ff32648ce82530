import type {
  LocalityLoadBalancerSetting_DistributeJson,
  LocalityLoadBalancerSetting_FailoverJson,
  LocalityLoadBalancerSettingJson,
} from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import type { Report } from "../report.ts";

export interface LocalityContext {
  /** Failover goes by what it has ejected. */
  readonly outlierDetection: boolean;
}

const topologyLabels: ReadonlySet<string> = new Set([
  "topology.kubernetes.io/region",
  "topology.kubernetes.io/zone",
  "topology.istio.io/subzone",
]);

export function checkLocality(
  setting: LocalityLoadBalancerSettingJson | undefined,
  report: Report,
  { outlierDetection }: LocalityContext,
): void {
  if (setting === undefined) return;
  const { distribute = [], failover = [], failoverPriority = [] } = setting;
  if (distribute.length > 0 && failover.length > 0) {
    report.at("failover").problem("cannot be given together with distribute");
  }
  if (distribute.length > 0 && failoverPriority.length > 0) {
    report.at("failoverPriority").warning("has no effect beside distribute");
  }
  if (failover.length > 0) {
    for (const [index, label] of failoverPriority.entries()) {
      if (!topologyLabels.has(label.split("=", 1)[0] ?? "")) continue;
      const here = report.at("failoverPriority", index);
      here.problem(`"${label}" cannot be given together with failover`);
    }
  }
  for (const [index, entry] of distribute.entries()) {
    checkShares(entry, report.at("distribute", index));
  }
  checkLocalities(
    distribute.map(({ from = "" }) => from),
    (index) => report.at("distribute", index, "from"),
  );
  for (const [index, entry] of failover.entries()) {
    checkFailover(entry, report.at("failover", index));
  }
  if (failover.length + failoverPriority.length > 0 && !outlierDetection) {
    report.warning("failover needs outlierDetection: without it, endpoints are never left");
  }
}

function checkShares(entry: LocalityLoadBalancerSetting_DistributeJson, report: Report): void {
  const to = Object.entries(entry.to ?? {});
  let sum = 0;
  for (const [locality, weight] of to) {
    sum += weight;
    if (weight < 1 || weight > 100) {
      report.at("to", locality).problem(`${weight} is not between 1 and 100`);
    }
  }
  if (sum !== 100) report.at("to").problem(`the weights sum to ${sum}, not to 100`);
  checkLocalities(
    to.map(([locality]) => locality),
    (index) => report.at("to", to[index]?.[0] ?? ""),
  );
}

function checkFailover(entry: LocalityLoadBalancerSetting_FailoverJson, report: Report): void {
  const { from = "", to = "" } = entry;
  if (from === to) report.problem("from and to are the same region");
  for (const [field, region] of [
    ["from", from],
    ["to", to],
  ] as const) {
    const here = report.at(field);
    if (region.includes("/")) here.problem(`"${region}": only a region, without zone`);
    if (region.includes("*")) here.problem(`"${region}": a region, no wildcard`);
  }
}

/** `region/zone/subzone`, `region/zone/*`, `region`, `*`; none of them within an earlier one. */
function checkLocalities(localities: readonly string[], at: (index: number) => Report): void {
  const seen: string[][] = [];
  for (const [index, locality] of localities.entries()) {
    const parts = locality.split("/");
    const stars = locality.split("*").length - 1;
    if (stars > 1 || (stars === 1 && !locality.endsWith("*"))) {
      at(index).problem(`"${locality}": a wildcard is only the last part`);
    } else if (parts.length > 3 || parts.some((part) => part === "")) {
      at(index).problem(`"${locality}" is not region, region/zone or region/zone/subzone`);
    } else if (seen.some((other) => overlaps(other, parts))) {
      at(index).problem(`"${locality}" overlaps with one before it`);
    } else {
      seen.push(parts);
    }
  }
}

/** A wildcard may stand behind what is within it, because the first that fits is taken. */
function overlaps(earlier: readonly string[], later: readonly string[]): boolean {
  const common = Math.min(earlier.length, later.length);
  for (let level = 0; level < common; level += 1) {
    if (earlier[level] === "*") return true;
    if (earlier[level] !== later[level]) return false;
  }
  return true;
}

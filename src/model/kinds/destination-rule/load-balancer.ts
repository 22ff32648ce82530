import type {
  LoadBalancerSettings_ConsistentHashLBJson,
  LoadBalancerSettingsJson,
  WarmupConfigurationJson,
  ZoneAwareLoadBalancerSettingJson,
} from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import { durationProblem, percentProblem } from "../checks.ts";
import type { Report } from "../report.ts";
import { checkLocality, type LocalityContext } from "./locality.ts";

export function checkLoadBalancer(
  settings: LoadBalancerSettingsJson | undefined,
  report: Report,
  context: LocalityContext,
): void {
  if (settings === undefined) return;
  const { simple, consistentHash, localityLbSetting, zoneAwareLbSetting, warmup } = settings;
  if (simple === "LEAST_CONN") report.at("simple").warning("is deprecated; use LEAST_REQUEST");
  if (consistentHash !== undefined) checkHash(consistentHash, report.at("consistentHash"));
  checkLocality(localityLbSetting, report.at("localityLbSetting"), context);
  if (localityLbSetting !== undefined && zoneAwareLbSetting !== undefined) {
    report.at("zoneAwareLbSetting").problem("cannot be given together with localityLbSetting");
  }
  checkZoneAware(zoneAwareLbSetting, report.at("zoneAwareLbSetting"));
  if (settings.warmupDurationSecs !== undefined) {
    const here = report.at("warmupDurationSecs");
    here.warning("is deprecated; use warmup.duration");
    here.check(durationProblem(settings.warmupDurationSecs));
    if (warmup !== undefined) here.problem("cannot be given together with warmup");
  }
  if (warmup === undefined) return;
  checkWarmup(warmup, report.at("warmup"));
  if (consistentHash !== undefined || simple === "RANDOM" || simple === "PASSTHROUGH") {
    report.at("warmup").warning("has an effect with ROUND_ROBIN and LEAST_REQUEST only");
  }
}

/** Maglev's own limit in Envoy. */
const tableSizeMax = 5_000_011;

function checkHash(hash: LoadBalancerSettings_ConsistentHashLBJson, report: Report): void {
  const { httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName } = hash;
  const key = httpHeaderName ?? httpCookie ?? useSourceIp ?? httpQueryParameterName;
  if (key === undefined || key === "") {
    const keys = "httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName";
    report.warning(`says nothing to hash, so calls go anywhere: one of ${keys}`);
  }
  if (httpCookie !== undefined) {
    if (!httpCookie.name) report.at("httpCookie", "name").problem("is required");
    for (const [index, { name }] of (httpCookie.attributes ?? []).entries()) {
      if (!name) report.at("httpCookie", "attributes", index, "name").problem("is required");
    }
  }
  if (hash.minimumRingSize !== undefined) {
    const here = report.at("minimumRingSize");
    here.warning("is deprecated; use ringHash.minimumRingSize");
    if (hash.ringHash !== undefined || hash.maglev !== undefined) {
      here.problem("cannot be given together with ringHash or maglev");
    }
  }
  if (hash.maglev === undefined) return;
  const here = report.at("maglev", "tableSize");
  const size = Number(hash.maglev.tableSize ?? 0);
  if (size === 0) here.problem("is required");
  else if (size >= tableSizeMax) here.problem(`${size} is not less than ${tableSizeMax}`);
  else if (!isPrime(size)) here.problem(`${size} is not a prime number`);
}

function isPrime(number: number): boolean {
  if (number < 4) return number > 1;
  if (number % 2 === 0) return false;
  for (let factor = 3; factor * factor <= number; factor += 2) {
    if (number % factor === 0) return false;
  }
  return true;
}

function checkWarmup(warmup: WarmupConfigurationJson, report: Report): void {
  if (warmup.duration === undefined) report.at("duration").problem("is required");
  report.at("duration").check(durationProblem(warmup.duration));
  report.at("minimumPercent").check(percentProblem(warmup.minimumPercent));
  const { aggression } = warmup;
  if (aggression !== undefined && !(typeof aggression === "number" && aggression >= 1)) {
    report.at("aggression").problem(`${aggression} is less than 1`);
  }
}

function checkZoneAware(
  setting: ZoneAwareLoadBalancerSettingJson | undefined,
  report: Report,
): void {
  if (setting === undefined) return;
  report.warning("is not supported yet: it changes nothing");
  if (setting.minClusterSize === 0) report.at("minClusterSize").problem("must be at least 1");
  for (const [index, { from = "", to = "" }] of (setting.failover ?? []).entries()) {
    const here = report.at("failover", index);
    if (from === to) here.problem("from and to are the same");
  }
}

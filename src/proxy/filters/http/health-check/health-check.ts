import type { RequestHead, ResponseHead } from "#http/message.ts";
import type { Clock } from "#lib/clock.ts";
import type { Cluster } from "../../../cluster/manager.ts";
import type { HeaderPredicate } from "../../../matching/header-matcher.ts";
import { ResponseFlag } from "../../../response-flags.ts";
import type { Services } from "../../../services.ts";
import type { HttpFilter, HttpStream, Verdict } from "../filter.ts";

export interface HealthCheckSettings {
  readonly services: Services;
  /** Health checks go to the upstream, unless this proxy fails or the cache knows the answer. */
  readonly passThrough: boolean;
  /** All must match; none: every request is a health check. */
  readonly matchers: readonly HeaderPredicate[];
  readonly cache: AnswerCache | undefined;
  readonly minHealthyPercents: readonly { readonly cluster: string; readonly percent: number }[];
}

export interface Answer {
  readonly status: number;
  readonly details: string;
  readonly degraded: boolean;
}

/** The last answer, good until the period in which it came ends: Envoy clears its cache by a repeating timer, not by age. */
export class AnswerCache {
  readonly #clock: Clock;
  readonly #periodMs: number;
  readonly #startMs: number;
  #answer: Answer | undefined;
  #period = 0;

  constructor(clock: Clock, periodMs: number) {
    this.#clock = clock;
    this.#periodMs = periodMs;
    this.#startMs = clock.monotonicMs();
  }

  get answer(): Answer | undefined {
    return this.#period === this.#now() ? this.#answer : undefined;
  }

  store(status: number, degraded: boolean): void {
    this.#answer = { status, details: "health_check_cached", degraded };
    this.#period = this.#now();
  }

  #now(): number {
    return Math.floor((this.#clock.monotonicMs() - this.#startMs) / this.#periodMs);
  }
}

const failed: Answer = { status: 503, details: "health_check_failed", degraded: false };
const ok: Answer = { status: 200, details: "health_check_ok", degraded: false };
const clustersHealthy: Answer = { ...ok, details: "health_check_ok_cluster_healthy" };
const noCluster: Answer = { ...failed, details: "health_check_failed_no_cluster_found" };
const clusterEmpty: Answer = { ...failed, details: "health_check_failed_cluster_empty" };
const clusterUnhealthy: Answer = { ...failed, details: "health_check_failed_cluster_unhealthy" };

/** Answers load balancers' health checks for the upstream, and tells others when this proxy is to be left alone. */
export class HealthCheckFilter implements HttpFilter {
  readonly #settings: HealthCheckSettings;
  #isHealthCheck = false;
  #answersHere = false;

  constructor(settings: HealthCheckSettings) {
    this.#settings = settings;
  }

  onRequestHead(stream: HttpStream, head: RequestHead, end: boolean): Verdict {
    const { matchers, passThrough, cache, services } = this.#settings;
    for (const matches of matchers) if (!matches(head)) return "continue";
    this.#isHealthCheck = true;
    stream.info.isHealthCheck = true;
    this.#answersHere = !passThrough || services.health.failed || cache?.answer !== undefined;
    if (!this.#answersHere) return "continue";
    if (end) this.#reply(stream);
    return "consume";
  }

  onRequestData(stream: HttpStream, _chunk: Uint8Array, end: boolean): Verdict {
    if (!this.#answersHere) return "continue";
    if (end) this.#reply(stream);
    return "consume";
  }

  onRequestTrailers(stream: HttpStream): Verdict {
    if (!this.#answersHere) return "continue";
    this.#reply(stream);
    return "consume";
  }

  onResponseHead(_stream: HttpStream, head: ResponseHead): Verdict {
    const { services, cache } = this.#settings;
    if (this.#isHealthCheck) {
      cache?.store(head.status, head.headers.has("x-envoy-degraded"));
      head.headers.set("x-envoy-upstream-healthchecked-cluster", services.node.cluster);
    }
    if (services.health.failed) head.headers.set("x-envoy-immediate-health-check-fail", "true");
    return "continue";
  }

  #reply(stream: HttpStream): void {
    const { status, details, degraded } = this.#answer();
    stream.reply({
      status,
      details,
      flags: status >= 200 && status < 300 ? 0 : ResponseFlag.failedLocalHealthCheck,
      ...(degraded ? { headers: [["x-envoy-degraded", ""]] as const } : {}),
    });
  }

  #answer(): Answer {
    const { services, cache, minHealthyPercents } = this.#settings;
    if (services.health.failed) return failed;
    if (cache?.answer !== undefined) return cache.answer;
    if (minHealthyPercents.length === 0) return ok;
    for (const { cluster, percent } of minHealthyPercents) {
      const answer = clusterHealth(services.clusters.get(cluster), percent);
      if (answer !== clustersHealthy) return answer;
    }
    return clustersHealthy;
  }
}

/** Degraded hosts serve too: they count as healthy. */
function clusterHealth(cluster: Cluster | undefined, percent: number): Answer {
  if (cluster === undefined) return noCluster;
  const { hosts } = cluster;
  if (hosts.length === 0) return percent === 0 ? clustersHealthy : clusterEmpty;
  let available = 0;
  for (const host of hosts) if (host.health !== "unhealthy") available += 1;
  return available * 100 < hosts.length * percent ? clusterUnhealthy : clustersHealthy;
}

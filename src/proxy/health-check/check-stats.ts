import type { Counter, Gauge, StatsScope } from "../stats/stats.ts";

/** `cluster.<name>.health_check.` */
export class CheckStats {
  readonly attempt: Counter;
  readonly success: Counter;
  readonly failure: Counter;
  readonly passiveFailure: Counter;
  readonly networkFailure: Counter;
  readonly verifyCluster: Counter;
  readonly healthy: Gauge;
  readonly degraded: Gauge;

  constructor(cluster: StatsScope) {
    const scope = cluster.scope("health_check.");
    this.attempt = scope.counter("attempt");
    this.success = scope.counter("success");
    this.failure = scope.counter("failure");
    this.passiveFailure = scope.counter("passive_failure");
    this.networkFailure = scope.counter("network_failure");
    this.verifyCluster = scope.counter("verify_cluster");
    this.healthy = scope.gauge("healthy");
    this.degraded = scope.gauge("degraded");
    this.healthy.set(0);
    this.degraded.set(0);
  }
}

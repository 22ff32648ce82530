import type { Counter, StatsScope } from "../stats/stats.ts";

/** `sds.<secret>.` */
export class SdsStats {
  readonly attempt: Counter;
  readonly success: Counter;
  readonly rejected: Counter;

  constructor(root: StatsScope, name: string) {
    const scope = root.scope(`sds.${name.replaceAll(":", "_")}.`);
    this.attempt = scope.counter("update_attempt");
    this.success = scope.counter("update_success");
    this.rejected = scope.counter("update_rejected");
    scope.counter("update_failure");
    scope.counter("init_fetch_timeout");
    scope.counter("key_rotation_failed");
  }
}

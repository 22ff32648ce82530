/** What could not be generated as it was written, with Istio's name of the counter where it has one. */
export interface ListenerProblem {
  readonly metric?:
    | "pilot_conflict_inbound_listener"
    | "pilot_conflict_outbound_listener_tcp_over_current_tcp"
    | "pilot_conflict_outbound_listener_http_over_current_tcp"
    | "pilot_conflict_outbound_listener_tcp_over_current_http"
    | "pilot_total_rejected_configs";
  readonly listener: string;
  readonly message: string;
}

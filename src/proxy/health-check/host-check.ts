/** What active checks say of one host: plain data, sent from the main thread to the workers. Each is one of Envoy's health flags. */
export interface HostCheck {
  readonly failed: boolean;
  readonly degraded: boolean;
  /** Not checked yet, in a cluster that leaves such hosts out (`ignore_new_hosts_until_first_hc`). */
  readonly pending: boolean;
  /** It said itself that it is to be left out (x-envoy-immediate-health-check-fail). */
  readonly excluded: boolean;
  /** The last check got no answer in time. */
  readonly timedOut: boolean;
  /** Discovery does not name it any more; it stays until a check fails. */
  readonly leaving: boolean;
}

export interface CheckedHost {
  readonly cluster: string;
  /** `outlierKey` */
  readonly host: string;
  readonly check: HostCheck;
}

/** A worker got an ordinary answer with x-envoy-immediate-health-check-fail. */
export interface ImmediateFailure {
  readonly cluster: string;
  readonly host: string;
}

/** How an endpoint is to be checked (envoy.config.endpoint.v3.Endpoint.HealthCheckConfig). */
export interface EndpointCheckConfig {
  /** IP literal or ""; the endpoint's own then. */
  readonly ip: string;
  /** 0: the port of the address. */
  readonly port: number;
  readonly hostname: string;
  readonly disabled: boolean;
}

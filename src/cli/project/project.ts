/** heddle.yaml as the commands use it: checked, with every default filled in. */

export interface Project {
  readonly file: string;
  /** Paths in the file are relative to it. */
  readonly folder: string;
  readonly namespace: string;
  /** Files and folders with Istio's YAML. */
  readonly config: readonly string[];
  /** Undefined: nobody comes in from outside. */
  readonly gateway: GatewaySpec | undefined;
  readonly services: readonly ServiceSpec[];
}

export interface GatewaySpec {
  readonly ports: readonly GatewayPort[];
}

/** Callers dial `local`; a Gateway object's server names `gateway`. */
export interface GatewayPort {
  readonly local: number;
  readonly gateway: number;
  /** So many more ports are tried when it is taken; none when absent. */
  readonly orNext?: number;
}

export const appProtocols = [
  "http",
  "http2",
  "grpc",
  "tcp",
  "tls",
  "https",
  "mongo",
  "mysql",
  "redis",
] as const;

export type AppProtocol = (typeof appProtocols)[number];

export interface PortSpec {
  /** As others call the service. */
  readonly port: number;
  /** Where the program listens; undefined: it is told to, in PORT. */
  readonly target: number | undefined;
  readonly protocol: AppProtocol;
  readonly name: string;
}

export interface UpstreamSpec {
  readonly host: string;
  readonly port: number;
}

export type HealthSpec =
  /** Nobody waits for it. */
  | { readonly kind: "none" }
  /** Its first port takes connections. */
  | { readonly kind: "tcp"; readonly timeoutMs: number }
  | { readonly kind: "http"; readonly path: string; readonly timeoutMs: number };

export const restartPolicies = ["no", "on-failure", "always"] as const;

export interface ServiceSpec {
  readonly name: string;
  readonly namespace: string;
  readonly ports: readonly PortSpec[];
  readonly releases: readonly ReleaseSpec[];
  readonly dependsOn: readonly string[];
}

/** A version of a service: what is run for it. */
export interface ReleaseSpec {
  readonly version: string;
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly health: HealthSpec;
  readonly replicas: number;
  readonly restart: (typeof restartPolicies)[number];
  readonly upstreams: readonly UpstreamSpec[];
}

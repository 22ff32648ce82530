import type { HostPort } from "#agent/bootstrap.ts";
import type { ConfigObject } from "#model/object.ts";

/** What starts programs needs of Pilot, wherever it runs. */
export interface ControlPlane {
  /** Where proxies find it. */
  readonly discovery: HostPort;
  /** Writes these, and leaves alone those that are the same already. */
  apply(objects: readonly ConfigObject[]): Promise<void>;
  /** Nobody shall send anything new to the workload of this proxy. */
  leave(nodeId: string): Promise<void>;
  /** Whether its program does its work. */
  setHealth(nodeId: string, healthy: boolean): Promise<void>;
  stop(): Promise<void>;
}

/** It cannot be started, or does not take what it is given. */
export class ControlPlaneError extends Error {}

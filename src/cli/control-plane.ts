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
  stop(): Promise<void>;
}

export interface ControlPlaneOptions {
  /** Of 127.0.0.1, for xDS; 0: any free one. */
  readonly port: number;
  /** What it keeps between runs. */
  readonly stateFolder: string;
  /** Files and folders of people's own configuration. */
  readonly config: readonly string[];
  onEvent(message: string): void;
}

export type ControlPlaneFactory = (options: ControlPlaneOptions) => Promise<ControlPlane>;

/**
 * A control plane that runs already: at the address, else that of the folder's mesh, else the one that was started last. A text: why there
 * is none, and what to do.
 */
export type ControlPlaneConnector = (
  address: string | undefined,
  folder: string,
) => Promise<ControlPlane | string>;

/** It cannot be started, or does not take what it is given. */
export class ControlPlaneError extends Error {}

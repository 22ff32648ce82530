import type { ProxyNode } from "#model/node.ts";
import type { ResourceType } from "#xds/resource-type.ts";
import type { XdsConnection } from "#xds/source.ts";
import type { ProxySnapshot } from "./proxy-snapshot.ts";

/** A refusal, and of which revision. */
export interface ProxyRefusal {
  readonly type: ResourceType;
  readonly revision: number;
  readonly detail: string;
}

/** A stream of a proxy, and how far it is. */
export class ConnectedProxy {
  readonly connection: XdsConnection;
  readonly node: ProxyNode;
  snapshot: ProxySnapshot | undefined;
  /** What it had when it was connected last. */
  before: ProxySnapshot | undefined;
  /** The last revision of which it has everything that it asked for. */
  settledRevision = 0;
  /** The last revision that brought it something. */
  concernedRevision = 0;
  /** When it was put into the queue, and the change that it was for. */
  queuedMs = 0;
  changedMs = 0;
  readonly refusals: Map<ResourceType, ProxyRefusal> = new Map();

  constructor(connection: XdsConnection, node: ProxyNode) {
    this.connection = connection;
    this.node = node;
  }

  get id(): string {
    return this.node.id;
  }

  get revision(): number {
    return this.snapshot?.revision ?? 0;
  }
}

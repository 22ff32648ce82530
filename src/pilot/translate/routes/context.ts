import type { OutboundScope } from "../../view.ts";

/** Where the routes of a VirtualService will stand. */
export interface RouteContext {
  readonly scope: OutboundScope;
  /** The port that clients call. */
  readonly listenerPort: number;
  /** `mesh`, or the gateway (`namespace/name`). */
  readonly gateway: string;
  /** Clients come over TLS. */
  readonly tls: boolean;
}

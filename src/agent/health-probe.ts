import { connect } from "node:net";
import { ask } from "./ask.ts";
import type { HostPort } from "./bootstrap.ts";

/** How to see that a program does its work: it takes connections, or answers a path with a 2xx or 3xx. */
export type HealthProbe =
  | { readonly kind: "tcp"; readonly at: HostPort }
  | { readonly kind: "http"; readonly at: HostPort; readonly path: string };

const patienceMs = 1_000;

export async function isHealthy(probe: HealthProbe): Promise<boolean> {
  if (probe.kind === "tcp") return takesConnections(probe.at);
  const answer = await ask(probe.at, probe.path, { timeoutMs: patienceMs });
  return answer !== undefined && answer.status >= 200 && answer.status < 400;
}

export function takesConnections({ host, port }: HostPort): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: patienceMs });
    const give = (open: boolean): void => {
      resolve(open);
      socket.destroy();
    };
    socket.on("connect", () => give(true));
    socket.on("timeout", () => give(false));
    socket.on("error", () => give(false));
  });
}

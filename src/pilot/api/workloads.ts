import type { IncomingMessage, ServerResponse } from "node:http";
import { isOwnHost, sendJson } from "./http.ts";

/** What somebody beside a workload may say of it. */
export interface WorkloadReports {
  /** False: no such proxy is registered. */
  leave(nodeId: string): boolean;
  setHealth(nodeId: string, healthy: boolean): boolean;
}

const path = /^\/api\/v1\/workloads\/([^/]+)\/(leave|healthy|unhealthy)$/;

/** `POST /api/v1/workloads/{node id}/leave|healthy|unhealthy`. False: the path is somebody else's. */
export function answerWorkload(
  request: IncomingMessage,
  response: ServerResponse,
  reports: WorkloadReports,
): boolean {
  const [, encoded = "", action] = (request.url ?? "").match(path) ?? [];
  const nodeId = decoded(encoded);
  if (action === undefined || nodeId === undefined) return false;
  const problem = (status: number, title: string): void =>
    sendJson(response, { status, json: { status, title } });
  if (!isOwnHost(request.headers.host, new Set()))
    problem(403, `this API is not called ${request.headers.host ?? "nothing"}`);
  else if (request.method !== "POST") problem(405, "a workload is reported on with POST");
  else {
    const known =
      action === "leave" ? reports.leave(nodeId) : reports.setHealth(nodeId, action === "healthy");
    if (known) sendJson(response, { json: { node: nodeId, action } });
    else problem(404, `no proxy ${nodeId} has registered itself`);
  }
  return true;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

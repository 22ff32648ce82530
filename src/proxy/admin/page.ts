import type { AdminSource } from "./source.ts";

export interface AdminRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

export interface AdminAnswer {
  readonly status?: number;
  readonly type?: string;
  readonly body: string;
}

/** One admin path. */
export interface AdminPage {
  readonly path: string;
  /** Changes something: POST only. */
  readonly post?: boolean;
  readonly help: string;
  readonly parameters?: readonly (readonly [name: string, help: string])[];
  answer(request: AdminRequest, source: AdminSource): AdminAnswer | Promise<AdminAnswer>;
}

export const jsonType = "application/json";
export const textType = "text/plain; charset=UTF-8";

/** JSON as Envoy's admin prints it: one space a level. */
export function json(value: unknown): AdminAnswer {
  return { type: jsonType, body: `${JSON.stringify(value, undefined, 1)}\n` };
}

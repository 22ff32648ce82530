import type { PrometheusFormat } from "../stats/prometheus.ts";
import type { StatsConfig } from "../stats/stats-config.ts";
import type { AdminSource } from "./source.ts";

export interface AdminRequest {
  readonly method: string;
  readonly path: string;
  /** Of the path; of a POST without any, those of its form. */
  readonly query: ReadonlyMap<string, string>;
}

export interface AdminAnswer {
  readonly status?: number;
  readonly type?: string;
  readonly body: string;
}

/** What a page answers from. */
export interface AdminContext {
  readonly source: AdminSource;
  readonly statsConfig: StatsConfig;
  readonly prometheus: PrometheusFormat;
  /** When the process started, as in `last_updated` of what never changes. */
  readonly startedWallMs: number;
  /** Every page, for those that list them. */
  readonly pages: readonly AdminPage[];
}

export interface AdminParameter {
  readonly name: string;
  readonly help: string;
  /** The home page offers these. */
  readonly choices?: readonly string[];
}

/** One admin path. */
export interface AdminPage {
  readonly path: string;
  /** Changes something: POST only. */
  readonly post?: boolean;
  readonly help: string;
  readonly parameters?: readonly AdminParameter[];
  answer(request: AdminRequest, context: AdminContext): AdminAnswer | Promise<AdminAnswer>;
}

export const jsonType = "application/json";
export const textType = "text/plain; charset=UTF-8";
export const htmlType = "text/html; charset=UTF-8";
/** What Envoy writes behind config_dump's refusals. */
export const bareTextType = "text/plain";

export const ok: AdminAnswer = { body: "OK\n" };

/** JSON as Envoy's admin prints it: one space a level. */
export function json(value: unknown): AdminAnswer {
  return { type: jsonType, body: `${JSON.stringify(value, undefined, 1)}\n` };
}

/** The list of /help, and of the answer to a path that is none. */
export function helpText(pages: readonly AdminPage[]): string {
  let text = "admin commands are:\n";
  for (const { path, post, help, parameters } of pages) {
    text += `  ${path}${post === true ? " (POST)" : ""}: ${help}\n`;
    for (const parameter of parameters ?? []) {
      text += `      ${parameter.name}: ${parameter.help}${choicesText(parameter.choices)}\n`;
    }
  }
  return text;
}

function choicesText(choices: readonly string[] | undefined): string {
  return choices === undefined ? "" : `; One of (${choices.join(", ")})`;
}

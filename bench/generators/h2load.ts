import type { H2loadLoad } from "../scenarios.ts";

export interface H2loadOptions {
  readonly port: number;
  readonly connections: number;
  readonly more: readonly string[];
}

/** Name resolution of every proxy's Host stays out of it: the address is literal. */
export function h2loadCommand(load: H2loadLoad, options: H2loadOptions): readonly string[] {
  return [
    "h2load",
    `--clients=${options.connections}`,
    `--max-concurrent-streams=${load.streams}`,
    ...(load.protocol === "http/1.1" ? ["--h1"] : []),
    ...options.more,
    h2loadUrl(load, options.port),
  ];
}

export function h2loadUrl({ tls, path }: H2loadLoad, port: number): string {
  return `${tls ? "https" : "http"}://127.0.0.1:${port}${path}`;
}

import { openSync, writeSync } from "node:fs";
import { type Clock, systemClock } from "#lib/clock.ts";

/** Envoy's words. */
export type LogLevel = "trace" | "debug" | "info" | "warning" | "error" | "critical" | "off";

type Level = "debug" | "info" | "warn" | "error";

const order: readonly LogLevel[] = [
  "trace",
  "debug",
  "info",
  "warning",
  "error",
  "critical",
  "off",
];

/** The proxy's own log: a line an event, on stderr or in `--log-path`. Not for traffic: that is what access logs are for. */
export class ProcessLog {
  level: LogLevel;
  readonly #format: "text" | "json";
  readonly #fileDescriptor: number;
  readonly #clock: Clock;

  constructor(options: {
    readonly level: LogLevel;
    readonly format: "text" | "json";
    readonly path: string | undefined;
    readonly clock?: Clock;
  }) {
    this.level = options.level;
    this.#format = options.format;
    this.#clock = options.clock ?? systemClock;
    this.#fileDescriptor = options.path === undefined ? 2 : openSync(options.path, "a");
  }

  readonly write = (level: Level, message: string, fields?: Record<string, unknown>): void => {
    const name: LogLevel = level === "warn" ? "warning" : level;
    if (order.indexOf(name) < order.indexOf(this.level)) return;
    const time = new Date(this.#clock.wallMs()).toISOString();
    const line =
      this.#format === "json"
        ? JSON.stringify({ time, level: name, message, ...fields })
        : `[${time}] [${name}] ${message}${fields === undefined ? "" : ` ${JSON.stringify(fields)}`}`;
    try {
      writeSync(this.#fileDescriptor, `${line}\n`);
    } catch {
      // A full disk or a closed pipe must not stop traffic.
    }
  };

  static isLevel(text: string): text is LogLevel {
    return order.some((level) => level === text);
  }
}

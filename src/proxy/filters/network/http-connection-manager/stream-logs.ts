import { Timer, type TimerList } from "#lib/timers.ts";
import type { AccessLog } from "../../../access-log/access-log.ts";
import type { StreamInfo } from "../../../stream-info.ts";

/** When a request is logged, apart from its end. */
export interface LogOptions {
  /** When it begins, behind what the connection manager makes of its head. */
  readonly atStart: boolean;
  readonly interval: TimerList | undefined;
}

export function writeLogs(logs: readonly AccessLog[], info: StreamInfo, type: string): void {
  info.accessLogType = type;
  for (let i = 0; i < logs.length; i++) logs[i]?.log(info);
}

/** Logs a stream again and again while it runs. Armed by construction. */
export class PeriodicLog extends Timer {
  readonly #list: TimerList;
  readonly #logs: readonly AccessLog[];
  readonly #info: StreamInfo;

  constructor(list: TimerList, logs: readonly AccessLog[], info: StreamInfo) {
    super();
    this.#list = list;
    this.#logs = logs;
    this.#info = info;
    list.arm(this);
  }

  onTimer(): void {
    writeLogs(this.#logs, this.#info, "DownstreamPeriodic");
    this.#list.arm(this);
  }
}

import type { HeaderList } from "#http/headers.ts";
import type { StreamInfo } from "../stream-info.ts";

/** One compiled `access_log` entry: filter, format and sink in one closure. */
export interface AccessLog {
  log(info: StreamInfo): void;
}

/** A compiled format string. Also used for header mutation values and local reply bodies (with other rules for absent values). */
export type Formatter = (info: StreamInfo) => string;

export type { HeaderList };

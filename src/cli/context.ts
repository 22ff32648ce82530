import type { ReadStream } from "node:tty";
import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import type { Terminal } from "./mesh/terminal.ts";

/** What a command is given by main: nothing here is looked up. */
export interface CommandContext {
  readonly terminal: Terminal;
  /** How to run Heddle once more: its runtime, its flags, its entry. */
  readonly self: readonly string[];
  /** Where the command was started. */
  readonly folder: string;
  /** Undefined: nobody types. */
  readonly input: ReadStream | undefined;
  readonly pid: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly version: string;
}

import type { Terminal } from "./mesh/terminal.ts";

/** What a command that only reads files is given. */
export interface OfflineIo {
  readonly terminal: Terminal;
  readStdin(): string;
}

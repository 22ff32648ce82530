import type { Terminal } from "./mesh/terminal.ts";

/** What commands about objects are given by main. */
export interface ObjectIo {
  readonly terminal: Terminal;
  readonly folder: string;
  readStdin(): string;
  /** Runs a program on the terminal; resolves with its exit code. */
  runProgram(command: string, argv: readonly string[]): Promise<number>;
  /** Ctrl-C was pressed. */
  readonly interrupted: AbortSignal;
  now(): number;
}

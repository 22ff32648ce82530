import type { OfflineIo } from "#cli/offline-io.ts";

export interface RecordedIo {
  readonly io: OfflineIo;
  readonly stdout: () => string;
  readonly stderr: () => string;
}

/** What a command prints, kept; and what it reads from standard input. */
export function recordedIo(input: string = ""): RecordedIo {
  const written = { stdout: "", stderr: "" };
  const sink = (name: "stdout" | "stderr") => ({
    write: (text: string) => {
      written[name] += text;
    },
  });
  return {
    io: {
      terminal: { stdout: sink("stdout"), stderr: sink("stderr"), environment: {} },
      readStdin: () => input,
    },
    stdout: () => written.stdout,
    stderr: () => written.stderr,
  };
}

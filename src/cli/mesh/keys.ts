import type { ReadStream } from "node:tty";

/** Single keys of a terminal; undefined when the input is none. Ctrl-C is a key then, and no signal. */
export function readKeys(
  input: ReadStream,
  onKey: (key: string) => void,
): (() => void) | undefined {
  if (!input.isTTY) return undefined;
  const onData = (data: Buffer): void => {
    for (const key of data.toString("utf8")) onKey(key === "\u0003" ? "ctrl-c" : key);
  };
  input.setRawMode(true);
  input.resume();
  input.on("data", onData);
  return () => {
    input.off("data", onData);
    input.setRawMode(false);
    input.pause();
  };
}

import { type FSWatcher, watch } from "node:fs";

export interface Watch {
  close(): void;
}

export interface MoveEvents {
  onMove(): void;
  /** It cannot be watched: what it was to bring never comes, and the rest goes on. */
  onBroken(error: unknown): void;
}

/**
 * Calls when something is moved into a directory, or away: everything, or what has the name. That is Envoy's way to tell a file that is whole
 * from one that is being written. (Node says "rename" for a move, and "change" for a write in place.)
 */
export function watchMoves(
  directory: string,
  name: string | undefined,
  { onMove, onBroken }: MoveEvents,
): Watch {
  let watcher: FSWatcher;
  try {
    watcher = watch(directory, { persistent: false }, (event, moved) => {
      if (event !== "rename") return;
      if (name === undefined || moved === null || moved === name) onMove();
    });
  } catch (error) {
    onBroken(error);
    return { close: () => {} };
  }
  watcher.on("error", onBroken);
  return watcher;
}

import { fileURLToPath } from "node:url";
import { envoyPath } from "../../../testkit/envoy-binary.ts";

export type SideName = "envoy" | "heddle";

/** One of the two proxies under test, and how it is started. */
export interface Side {
  readonly name: SideName;
  readonly command: () => readonly string[];
  /** Arguments only for serving; the same words on both sides otherwise. */
  readonly serveArguments: readonly string[];
}

const repository = fileURLToPath(new URL("../../../", import.meta.url));

export const envoy: Side = {
  name: "envoy",
  command: () => [envoyPath()],
  // Access logs are flushed every 10 s by default: tests read them at once. Hot restart needs shared memory.
  serveArguments: ["--disable-hot-restart", "--file-flush-interval-msec", "10"],
};

export const heddle: Side = {
  name: "heddle",
  command: () => {
    const built = environment("HEDDLE_BIN");
    const sources = [process.execPath, `${repository}src/main/heddle.ts`];
    return [...(built === undefined ? sources : [built]), "proxy"];
  },
  serveArguments: ["--file-flush-interval-msec", "10"],
};

/** The sides this run compares: HEDDLE_PARITY is `envoy`, `heddle` or `both`. */
export function selectedSides(): readonly Side[] {
  const selected = environment("HEDDLE_PARITY") ?? "both";
  const sides = [envoy, heddle].filter((side) => selected === "both" || selected === side.name);
  if (sides.length === 0)
    throw new Error(`HEDDLE_PARITY must be envoy, heddle or both, not ${selected}`);
  return sides;
}

function environment(name: string): string | undefined {
  // biome-ignore lint/style/noProcessEnv: the choice of side belongs to the run, not to a case.
  const value = process.env[name];
  return value === undefined || value === "" ? undefined : value;
}

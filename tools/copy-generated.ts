/** The last step of `npm run build`: the generated messages are JavaScript already and only move. */
import { cpSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const at = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

rmSync(at("dist/gen"), { recursive: true, force: true });
cpSync(at("src/gen"), at("dist/gen"), { recursive: true });

import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

/** What this user's meshes on this machine share while they run: claimed ports, and where the last one is reached. */
export function userFolder(): string {
  return join(tmpdir(), `heddle-${userInfo().username.replace(/[^\w.-]/g, "_")}`);
}

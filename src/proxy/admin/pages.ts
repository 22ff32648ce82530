import { actionPages } from "./handlers/actions.ts";
import { clustersPage } from "./handlers/clusters.ts";
import { configDumpPage } from "./handlers/config-dump.ts";
import { homePages } from "./handlers/home.ts";
import { listenersPage } from "./handlers/listeners.ts";
import { loggingPage } from "./handlers/logging.ts";
import { runtimePages } from "./handlers/runtime.ts";
import { serverPages } from "./handlers/server-info.ts";
import { statsPages } from "./handlers/stats.ts";
import { unsupportedPages } from "./handlers/unsupported.ts";
import type { AdminPage } from "./page.ts";

/** Every admin page, in the order in which /help lists them. A new one is a line here. */
export const pages: readonly AdminPage[] = [
  ...actionPages,
  clustersPage,
  configDumpPage,
  ...homePages,
  listenersPage,
  loggingPage,
  ...runtimePages,
  ...serverPages,
  ...statsPages,
  ...unsupportedPages,
].sort((a, b) => (a.path < b.path ? -1 : 1));

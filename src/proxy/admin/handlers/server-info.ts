import { getHeapStatistics } from "node:v8";
import { type AdminPage, json } from "../page.ts";
import { fieldsToProto } from "../proto-names.ts";
import type { AdminSource } from "../source.ts";

export const serverPages: readonly AdminPage[] = [
  {
    path: "/server_info",
    help: "print server version/status information",
    answer: (_request, { source }) => json(serverInfo(source)),
  },
  {
    path: "/ready",
    help: "print server state, return 200 if LIVE, otherwise return 503",
    answer: (_request, { source }) => ({
      status: source.state === "LIVE" ? 200 : 503,
      body: `${source.state}\n`,
    }),
  },
  {
    path: "/memory",
    help: "print current allocation/heap usage",
    answer: () => json(memory()),
  },
  {
    path: "/hot_restart_version",
    help: "print the hot restart compatibility version",
    answer: () => ({ body: "disabled" }),
  },
  {
    path: "/init_dump",
    help: "print what the proxy waits for before it is live",
    answer: (_request, { source }) => json(initDump(source)),
  },
  {
    path: "/certs",
    help: "print certs on machine",
    answer: async (_request, { source }) =>
      json({ certificates: (await source.certificates?.()) ?? [] }),
  },
];

function serverInfo(source: AdminSource): unknown {
  const seconds = `${Math.floor(source.uptimeMs / 1000)}s`;
  const { node } = source.bootstrap;
  return {
    version: source.version,
    state: source.state,
    uptime_current_epoch: seconds,
    uptime_all_epochs: seconds,
    hot_restart_version: "disabled",
    command_line_options: source.commandLine,
    node: {
      id: node?.id ?? "",
      cluster: node?.cluster ?? "",
      ...(node?.metadata === undefined ? {} : { metadata: node.metadata }),
      ...(node?.locality === undefined ? {} : { locality: fieldsToProto(node.locality) }),
      user_agent_name: "heddle",
    },
    hot_restart_initializing: false,
  };
}

/** Envoy's words for the JavaScript heap and the whole process. There are no thread caches. */
function memory(): unknown {
  const usage = process.memoryUsage();
  const heap = getHeapStatistics();
  return {
    allocated: String(usage.heapUsed + usage.external),
    heap_size: String(usage.heapTotal),
    pageheap_unmapped: "0",
    pageheap_free: String(heap.total_heap_size - heap.used_heap_size),
    total_thread_cache: "0",
    total_physical_bytes: String(usage.rss),
  };
}

function initDump({ unready = [] }: AdminSource): unknown {
  if (unready.length === 0) return {};
  return { unready_targets_dumps: [{ name: "init manager Server", target_names: unready }] };
}

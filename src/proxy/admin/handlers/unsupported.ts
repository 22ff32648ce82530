import type { AdminPage } from "../page.ts";

/** Envoy's pages about its own allocator, mutexes and symbol table: refused by name, not unknown. */
export const unsupportedPages: readonly AdminPage[] = [
  unsupported("/allocprofiler", "enable/disable the allocation profiler", true),
  unsupported("/cpuprofiler", "enable/disable the CPU profiler", true),
  unsupported("/heapprofiler", "enable/disable the heap profiler", true),
  unsupported("/heap_dump", "dump the heap", false),
  unsupported("/peak_heap_dump", "dump the heap at its peak", false),
  unsupported("/memory/tcmalloc", "print TCMalloc stats", false),
  unsupported("/stats/recentlookups", "show recent stat-name lookups", false),
  unsupported("/stats/recentlookups/clear", "clear the list of stat-name lookups", true),
  unsupported("/stats/recentlookups/disable", "disable recording of stat-name lookups", true),
  unsupported("/stats/recentlookups/enable", "enable recording of stat-name lookups", true),
  {
    path: "/contention",
    help: "dump mutex contention stats (workers share no mutex)",
    answer: () => ({ body: "Mutex contention tracing is not enabled: workers share no mutex.\n" }),
  },
];

function unsupported(path: string, help: string, post: boolean): AdminPage {
  return {
    path,
    post,
    help: `${help} (not supported)`,
    answer: () => ({ status: 501, body: `${path} is not supported by Heddle\n` }),
  };
}

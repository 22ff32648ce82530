import type { ListenerFilterFactory } from "./filter.ts";

/** Every listener filter. A new one is a folder and a line here. */
export const listenerFilters: readonly ListenerFilterFactory[] = [];

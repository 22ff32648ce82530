import type { HttpFilterFactory } from "./filter.ts";
import { factory as rbac } from "./rbac/config.ts";
import { factory as router } from "./router/config.ts";

/** Every HTTP filter. A new one is a folder and a line here. */
export const httpFilters: readonly HttpFilterFactory[] = [rbac, router];

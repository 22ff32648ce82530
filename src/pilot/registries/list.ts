/** The registries that are made of objects: a new one is a copied folder and a line here. */
import { kubernetes } from "./kubernetes/registry.ts";
import type { ObjectRegistry } from "./registry.ts";
import { serviceEntry } from "./service-entry/registry.ts";

export const objectRegistries: readonly ObjectRegistry[] = [kubernetes, serviceEntry];
